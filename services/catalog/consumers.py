"""What catalog hears from Kafka."""

from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import PointsPosted
from libs.contracts.topics import POINTS_ADJUSTED, POINTS_REDEEMED
from libs.kernel.ids import OTHER_ID, STORE_ID
from libs.messaging.cloudevents import EventReader, Poison
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Record, Verdict
from services.catalog.handlers import stock
from services.catalog.store import Use

POINTS_GROUP: Final = "catalog.points"


def points(engine: AsyncEngine, producer: AIOKafkaProducer) -> BatchConsumer[Use | None]:
    """Redemptions and their cancellations change what is in use of a reward."""
    reader = EventReader(POINTS_REDEEMED, POINTS_ADJUSTED, kind=PointsPosted)

    def read(record: Record) -> Use | None:
        use = stock.use_of(reader.read(record))
        if use is not None:
            _check(use)
        return use

    async def handle(uses: Sequence[Use | None]) -> Sequence[Verdict]:
        await stock.count(engine, uses)
        return [None] * len(uses)

    return BatchConsumer(
        topics=(POINTS_REDEEMED, POINTS_ADJUSTED),
        group=POINTS_GROUP,
        service="catalog",
        read=read,
        handle=handle,
        producer=producer,
        # What is left of a stock is shown, not decided, here.
        policy=BACKGROUND,
    )


def _check(use: Use) -> None:
    """What the store could not hold would stop the consumer."""
    if not STORE_ID.fullmatch(use.store_id):
        raise Poison("invalid", "store_id: 1-64 of A-Za-z0-9_-")
    for field, value in (("transaction_id", use.transaction_id), ("reward.id", use.reward_id)):
        if not OTHER_ID.fullmatch(value):
            raise Poison("invalid", f"{field}: 1-128 characters, none of them a control character")
