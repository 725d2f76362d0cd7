"""The consumers of earning: orders and refunds of shops, resolutions of anomalies."""

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
from services.earning.domain.postings import Order, Refund
from services.earning.domain.shop_events import (
    OutOfBounds,
    build_order,
    build_refund,
    is_guest,
)
from services.earning.handlers.posting import (
    PostingGroup,
    PostingRequest,
    RequestOutcome,
    Result,
    post_batch,
)
from services.earning.handlers.resolutions import build_resolution

ORDERS_GROUP = EARNING_ORDERS.name
REFUNDS_GROUP = EARNING_REFUNDS.name
RESOLUTIONS_GROUP = EARNING_RESOLUTIONS.name

# Orders per batch while HTTP requests arrive, and while they arrive continually: a request competes
# with such a batch for the event loop and the database, about 10 ms and 4 ms.
_ORDERS_BETWEEN_REQUESTS = 100
_ORDERS_AMONG_REQUESTS = 20
# Postings of a batch between which the event loop serves HTTP requests: about 2 ms.
_POSTINGS_PER_STEP = 100

E = TypeVar("E", bound=ShopEvent)
P = TypeVar("P", Order, Refund)


class Guest(Struct, frozen=True):
    """An event of the store without a customer, which is ignored."""

    store_id: str


def consume_orders(
    engine: AsyncEngine,
    bootstrap: str,
    group_commit: PostingGroup,
    producer: AIOKafkaProducer,
    *,
    security: KafkaSecurity = PLAINTEXT,
) -> BatchConsumer[Order | Guest]:
    """Posts orders. A poll is one batch of the ledger, or several small ones while HTTP requests
    arrive, which go first."""
    read = _reader(EventReader(ORDER_COMPLETED, kind=OrderCompleted), build_order)

    async def post(orders: Sequence[Order | Guest]) -> Sequence[RecordOutcome]:
        return await _post(engine, orders)

    async def handle(orders: Sequence[Order | Guest]) -> Sequence[RecordOutcome]:
        outcomes: list[RecordOutcome] = []
        if not group_commit.has_recent_requests:
            outcomes += await post(orders)
        while len(outcomes) < len(orders):
            yielded = await group_commit.yield_to_requests()
            count = _ORDERS_AMONG_REQUESTS if yielded else _ORDERS_BETWEEN_REQUESTS
            outcomes += await post(orders[len(outcomes) : len(outcomes) + count])
        _count_guests(ORDER_COMPLETED, orders)
        return outcomes

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


def consume_refunds(
    engine: AsyncEngine, producer: AIOKafkaProducer
) -> BatchConsumer[Refund | Guest]:
    """Posts refunds. A refund that overtakes its order waits in the ledger."""

    async def handle(refunds: Sequence[Refund | Guest]) -> Sequence[RecordOutcome]:
        outcomes = await _post(engine, refunds)
        _count_guests(ORDER_REFUNDED, refunds)
        return outcomes

    return BatchConsumer(
        topics=(ORDER_REFUNDED,),
        group=REFUNDS_GROUP,
        service="earning",
        read=_reader(EventReader(ORDER_REFUNDED, kind=OrderRefunded), build_refund),
        handle=handle,
        producer=producer,
        policy=BACKGROUND,
    )


def _reader(reader: EventReader[E], build: Callable[..., P]) -> Callable[[Record], P | Guest]:
    def read(record: Record) -> P | Guest:
        event = reader.read(record)
        if is_guest(event):
            return Guest(str(event.store_id))
        try:
            return build(event, now=utc_now())
        except OutOfBounds as error:
            raise Poison("invalid", str(error)) from error

    return read


def consume_resolutions(
    engine: AsyncEngine, producer: AIOKafkaProducer
) -> BatchConsumer[PostingRequest]:
    """Carries out resolutions of anomalies: awards are voided, accounts suspended."""
    reader = EventReader(ANOMALY_RESOLVED, kind=AnomalyChanged)

    def read(record: Record) -> PostingRequest:
        resolution = build_resolution(reader.read(record), now=utc_now())
        return PostingRequest([] if resolution is None else [resolution])

    async def handle(requests: Sequence[PostingRequest]) -> Sequence[RecordOutcome]:
        return [_resolution_outcome(outcome) for outcome in await post_batch(engine, requests)]

    return BatchConsumer(
        topics=(ANOMALY_RESOLVED,),
        group=RESOLUTIONS_GROUP,
        service="earning",
        read=read,
        handle=handle,
        producer=producer,
        policy=BACKGROUND,
    )


def _resolution_outcome(outcome: RequestOutcome) -> RecordOutcome:
    if isinstance(outcome, WhaleError):
        raise outcome
    return next((record_outcome(result) for result in outcome.results), None)


async def _post(
    engine: AsyncEngine, events: Sequence[Order | Refund | Guest]
) -> Sequence[RecordOutcome]:
    """Post the events that have a customer; returns an outcome for each event, in order."""
    postings = [event for event in events if not isinstance(event, Guest)]
    if not postings:
        return [None] * len(events)
    results: list[Result] = []
    requests = [
        PostingRequest(postings[start : start + _POSTINGS_PER_STEP])
        for start in range(0, len(postings), _POSTINGS_PER_STEP)
    ]
    for outcome in await post_batch(engine, requests):
        if isinstance(outcome, WhaleError):
            raise outcome
        results += outcome.results
    remaining = iter(results)
    return [
        None if isinstance(event, Guest) else record_outcome(next(remaining)) for event in events
    ]


def _count_guests(topic: str, events: Sequence[object]) -> None:
    guests = sum(isinstance(event, Guest) for event in events)
    if guests:
        metrics.GUEST_EVENTS.labels(topic).inc(guests)


def record_outcome(result: Result) -> RecordOutcome:
    """A refusal makes the record a dead letter; any other result means that it is applied."""
    if not isinstance(result, WhaleError):
        return None
    return Poison("conflict" if result.code == "conflict" else "invalid", result.detail)
