"""What anomaly hears from Kafka: every transaction of the ledger, of which it judges earnings."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.api import MAX_BALANCE
from libs.contracts.events import PointsPosted
from libs.contracts.topics import POINTS_ADJUSTED, POINTS_EARNED, POINTS_REDEEMED
from libs.kernel.clock import parse_time
from libs.kernel.ids import CUSTOMER_ID, STORE_ID
from libs.messaging.cloudevents import EventReader, Poison
from libs.messaging.consumer import BatchConsumer, Record, Verdict
from services.anomaly.handlers.detecting import detect
from services.anomaly.store.earnings import Earning, milliseconds
from services.anomaly.store.windows import Windows

GROUP: Final = "anomaly"
TOPICS: Final = (POINTS_EARNED, POINTS_ADJUSTED, POINTS_REDEEMED)

_TRANSACTION_ID: Final = re.compile(
    r"txn_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)


def points_posted(
    engine: AsyncEngine,
    windows: Windows,
    wake_relay: Callable[[], None],
    producer: AIOKafkaProducer,
) -> BatchConsumer[Earning | None]:
    """Earnings are judged; the other types change nothing here."""
    reader = EventReader(*TOPICS, kind=PointsPosted)

    def read(record: Record) -> Earning | None:
        event = reader.read(record)
        return _earning(event) if event.type == "earn" else None

    async def handle(told: Sequence[Earning | None]) -> Sequence[Verdict]:
        if await detect(engine, windows, [one for one in told if one is not None]):
            wake_relay()
        return [None] * len(told)

    return BatchConsumer(
        topics=TOPICS,
        group=GROUP,
        service="anomaly",
        read=read,
        handle=handle,
        producer=producer,
    )


def _earning(event: PointsPosted) -> Earning:
    """The earning of an event; what the store could not hold would stop the consumer."""
    for field, value, form in (
        ("store_id", event.store_id, STORE_ID),
        ("customer_id", event.customer_id, CUSTOMER_ID),
        ("transaction_id", event.transaction_id, _TRANSACTION_ID),
    ):
        if not form.fullmatch(value):
            raise Poison("invalid", f"{field}: {value[:64]!r} is none")
    if not 0 < event.points <= MAX_BALANCE:
        raise Poison("invalid", f"points: from 1 to {MAX_BALANCE:,}")
    try:
        at = milliseconds(parse_time(event.occurred_at))
    except ValueError as error:
        raise Poison("invalid", f"occurred_at: {error}") from error
    if at < 0:
        raise Poison("invalid", "occurred_at: before 1970")
    return Earning(
        event.store_id,
        event.customer_id,
        event.transaction_id,
        event.points,
        at,
        event.occurred_at,
    )
