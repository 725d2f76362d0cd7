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
        return find_earning(reader.read(record))

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


def find_earning(event: PointsPosted) -> EarningEvent | None:
    """The earning of an event whose other bounds were checked already, or None. The points of an order that wait
    are earned when it is posted, and not when they are released: a night's releases are no burst. Raises
    Poison."""
    if event.type == "pend":
        points = event.pending or 0
    elif event.type == "earn" and event.pending is None:
        points = event.points
    else:
        return None
    if not 0 < points <= MAX_ORDER_POINTS:
        raise Poison("invalid", f"points: from 1 to {MAX_ORDER_POINTS:,}")
    occurred_at = parse_time(event.occurred_at)
    return EarningEvent(
        event.store_id,
        event.customer_id,
        event.transaction_id,
        points,
        milliseconds(occurred_at),
        format_time(occurred_at),
    )
