"""What earning hears from Kafka."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from aiokafka import AIOKafkaProducer
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import AnomalyChanged, OrderCompleted, OrderRefunded, ShopEvent
from libs.contracts.groups import EARNING_ORDERS, EARNING_REFUNDS, EARNING_RESOLUTIONS
from libs.contracts.topics import ANOMALY_RESOLVED, ORDER_COMPLETED, ORDER_REFUNDED
from libs.kernel.clock import utc_now
from libs.kernel.errors import WhaleError
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.cloudevents import EventReader, Poison
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Record, RecordOutcome
from libs.messaging.look_ahead import LookAhead
from libs.observability import metrics
from libs.persistence.group_commit import GroupCommit
from services.earning.domain.intake import OutOfBounds, is_guests, order_of, refund_of
from services.earning.domain.postings import Order, Refund
from services.earning.handlers import reviews
from services.earning.handlers.posting import PostingRequest, PostingResult, Result, post_batch

ORDERS_GROUP = EARNING_ORDERS.name
REFUNDS_GROUP = EARNING_REFUNDS.name
RESOLUTIONS_GROUP = EARNING_RESOLUTIONS.name

# Orders in one batch while requests come: about 10 ms in which no request is served.
_BESIDE_REQUESTS = 200

V = TypeVar("V", bound=ShopEvent)
P = TypeVar("P", Order, Refund)


class Guest(Struct, frozen=True):
    """An event of a store that names no customer: it is passed over."""

    store_id: str


def order_completed(
    engine: AsyncEngine,
    bootstrap: str,
    requests: GroupCommit[PostingRequest, PostingResult],
    producer: AIOKafkaProducer,
    *,
    security: KafkaSecurity = PLAINTEXT,
) -> BatchConsumer[Order | Guest]:
    """Orders become postings; one poll is one batch of the ledger, or a few while requests come:
    they go first."""
    read = _reading(EventReader(ORDER_COMPLETED, kind=OrderCompleted), order_of)

    async def post(orders: Sequence[Order | Guest]) -> Sequence[RecordOutcome]:
        return await _post(engine, orders)

    async def handle(orders: Sequence[Order | Guest]) -> Sequence[RecordOutcome]:
        verdicts: list[RecordOutcome] = []
        if not requests.is_in_use:
            verdicts += await post(orders)
        while len(verdicts) < len(orders):
            await requests.yield_to_requests()
            verdicts += await post(orders[len(verdicts) : len(verdicts) + _BESIDE_REQUESTS])
        _count_guests(ORDER_COMPLETED, orders)
        return verdicts

    return BatchConsumer(
        topics=(ORDER_COMPLETED,),
        group=ORDERS_GROUP,
        service="earning",
        read=read,
        handle=handle,
        producer=producer,
        look_ahead=LookAhead(
            bootstrap,
            group=ORDERS_GROUP,
            read=read,
            handle=post,
            store_of=lambda order: order.store_id,
            security=security,
        ),
    )


def order_refunded(
    engine: AsyncEngine, producer: AIOKafkaProducer
) -> BatchConsumer[Refund | Guest]:
    """Refunds become postings; one that overtakes its order waits in the books."""

    async def handle(refunds: Sequence[Refund | Guest]) -> Sequence[RecordOutcome]:
        verdicts = await _post(engine, refunds)
        _count_guests(ORDER_REFUNDED, refunds)
        return verdicts

    return BatchConsumer(
        topics=(ORDER_REFUNDED,),
        group=REFUNDS_GROUP,
        service="earning",
        read=_reading(EventReader(ORDER_REFUNDED, kind=OrderRefunded), refund_of),
        handle=handle,
        producer=producer,
        policy=BACKGROUND,
    )


def _reading(reader: EventReader[V], posting_of: Callable[..., P]) -> Callable[[Record], P | Guest]:
    """Reads a record as its posting, or as a guest's."""

    def read(record: Record) -> P | Guest:
        event = reader.read(record)
        if is_guests(event):
            return Guest(str(event.store_id))
        try:
            return posting_of(event, now=utc_now())
        except OutOfBounds as error:
            raise Poison("invalid", str(error)) from error

    return read


def anomaly_resolved(
    engine: AsyncEngine, producer: AIOKafkaProducer
) -> BatchConsumer[PostingRequest]:
    """What people made of anomalies is carried out: points taken back, accounts suspended."""
    reader = EventReader(ANOMALY_RESOLVED, kind=AnomalyChanged)

    def read(record: Record) -> PostingRequest:
        resolution = reviews.resolution_of(reader.read(record), now=utc_now())
        return PostingRequest([] if resolution is None else [resolution])

    async def handle(works: Sequence[PostingRequest]) -> Sequence[RecordOutcome]:
        return [_verdict_on_work(done) for done in await post_batch(engine, works)]

    return BatchConsumer(
        topics=(ANOMALY_RESOLVED,),
        group=RESOLUTIONS_GROUP,
        service="earning",
        read=read,
        handle=handle,
        producer=producer,
        policy=BACKGROUND,
    )


def _verdict_on_work(done: PostingResult | Exception) -> RecordOutcome:
    if isinstance(done, Exception):
        raise done
    return next((verdict_on(result) for result in done.results), None)


async def _post(
    engine: AsyncEngine, events: Sequence[Order | Refund | Guest]
) -> Sequence[RecordOutcome]:
    """Post what is no guest's; a verdict for each event, in order."""
    postings = [event for event in events if not isinstance(event, Guest)]
    if not postings:
        return [None] * len(events)
    (done,) = await post_batch(engine, [PostingRequest(postings)])
    if isinstance(done, Exception):
        raise done
    results = iter(done.results)
    return [None if isinstance(event, Guest) else verdict_on(next(results)) for event in events]


def _count_guests(topic: str, events: Sequence[object]) -> None:
    guests = sum(isinstance(event, Guest) for event in events)
    if guests:
        metrics.GUEST_EVENTS.labels(topic).inc(guests)


def verdict_on(result: Result) -> RecordOutcome:
    """A refused event is a dead letter; everything else is recorded."""
    if not isinstance(result, WhaleError):
        return None
    return Poison("conflict" if result.code == "conflict" else "invalid", result.detail)
