"""What catalog hears from Kafka."""

from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import PointsPosted
from libs.contracts.groups import CATALOG_POINTS
from libs.contracts.topics import POINTS_ADJUSTED, POINTS_REDEEMED
from libs.messaging.cloudevents import EventReader
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Record, RecordOutcome
from services.catalog.handlers import stock
from services.catalog.store import Use

POINTS_GROUP: Final = CATALOG_POINTS.name


def points(engine: AsyncEngine, producer: AIOKafkaProducer) -> BatchConsumer[Use | None]:
    """Redemptions and their cancellations change what is in use of a reward."""
    reader = EventReader(POINTS_REDEEMED, POINTS_ADJUSTED, kind=PointsPosted)

    def read(record: Record) -> Use | None:
        return stock.use_of(reader.read(record))

    async def handle(uses: Sequence[Use | None]) -> Sequence[RecordOutcome]:
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
