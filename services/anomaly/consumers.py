"""Consumes every transaction of the ledger from Kafka, and has the earnings judged."""

from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.api import MAX_ORDER_POINTS
from libs.contracts.events import PointsPosted
from libs.contracts.groups import ANOMALY_POINTS
from libs.kernel.clock import format_time, parse_time
from libs.messaging.cloudevents import EventReader, Poison
from libs.messaging.consumer import BatchConsumer, Record, RecordOutcome
from services.anomaly.handlers.detection import detect
from services.anomaly.store.earnings import EarningEvent, milliseconds

GROUP: Final = ANOMALY_POINTS.name
TOPICS: Final = ANOMALY_POINTS.topics


def points_posted(
    engine: AsyncEngine,
    wake_relay: Callable[[], None],
    producer: AIOKafkaProducer,
) -> BatchConsumer[EarningEvent | None]:
    """The consumer of `points.*`. Transactions that are no earnings change nothing here."""
    reader = EventReader(*TOPICS, kind=PointsPosted)

    def read(record: Record) -> EarningEvent | None:
        event = reader.read(record)
        return _earning(event) if event.type == "earn" else None

    async def handle(events: Sequence[EarningEvent | None]) -> Sequence[RecordOutcome]:
        if await detect(engine, [event for event in events if event is not None]):
            wake_relay()
        return [None] * len(events)

    return BatchConsumer(
        topics=TOPICS,
        group=GROUP,
        service="anomaly",
        read=read,
        handle=handle,
        producer=producer,
    )


def _earning(event: PointsPosted) -> EarningEvent:
    """The earning of an event whose other bounds were checked already. Raises Poison."""
    if not 0 < event.points <= MAX_ORDER_POINTS:
        raise Poison("invalid", f"points: from 1 to {MAX_ORDER_POINTS:,}")
    occurred_at = parse_time(event.occurred_at)
    return EarningEvent(
        event.store_id,
        event.customer_id,
        event.transaction_id,
        event.points,
        milliseconds(occurred_at),
        format_time(occurred_at),
    )
