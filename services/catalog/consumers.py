"""The consumer of catalog: redemptions and their cancellations, from the ledger."""

from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import PointsPosted
from libs.contracts.groups import CATALOG_POINTS
from libs.contracts.topics import POINTS_ADJUSTED, POINTS_REDEEMED
from libs.messaging.cloudevents import EventReader
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Record, RecordOutcome
from services.catalog.handlers import usage
from services.catalog.store import UsageChange

POINTS_GROUP: Final = CATALOG_POINTS.name


def consume_points(
    engine: AsyncEngine, producer: AIOKafkaProducer
) -> BatchConsumer[UsageChange | None]:
    """Counts how many of each reward are in use."""
    reader = EventReader(POINTS_REDEEMED, POINTS_ADJUSTED, kind=PointsPosted)

    def read(record: Record) -> UsageChange | None:
        return usage.find_change(reader.read(record))

    def read_batch(records: Sequence[Record]) -> Sequence[UsageChange | None]:
        return [usage.find_change(event) for event in reader.read_batch(records)]

    async def handle(changes: Sequence[UsageChange | None]) -> Sequence[RecordOutcome]:
        await usage.count(engine, changes)
        return [None] * len(changes)

    return BatchConsumer(
        topics=(POINTS_REDEEMED, POINTS_ADJUSTED),
        group=POINTS_GROUP,
        service="catalog",
        read=read,
        read_batch=read_batch,
        handle=handle,
        producer=producer,
        # The catalog only displays the stock; redemption decides.
        policy=BACKGROUND,
    )
