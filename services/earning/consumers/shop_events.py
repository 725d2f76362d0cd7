"""The consumers of orders and refunds of shops."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from aiokafka import AIOKafkaProducer
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import OrderCompleted, OrderRefunded, ShopEvent
from libs.contracts.groups import EARNING_ORDERS, EARNING_REFUNDS
from libs.contracts.topics import ORDER_COMPLETED, ORDER_REFUNDED
from libs.kernel.clock import utc_now
from libs.kernel.errors import WhaleError
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.cloudevents import EventReader, Poison
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Record, RecordOutcome
from libs.messaging.look_ahead import LookAhead
from libs.observability import metrics
from services.earning.consumers.outcomes import record_outcome
from services.earning.domain.order_records import Order, OrderRecord
from services.earning.domain.orders import outcome_of
from services.earning.domain.postings import Duplicate
from services.earning.domain.refunds import Refund
from services.earning.domain.shop_events import (
    OutOfBounds,
    build_order,
    build_orders,
    build_refund,
    build_refunds,
    is_guest,
)
from services.earning.handlers.posting import (
    PostingGroup,
    PostingRequest,
    Result,
    post_batch,
)

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
    events = _ShopEvents(
        EventReader(ORDER_COMPLETED, kind=OrderCompleted), build_order, build_orders
    )

    async def post(orders: Sequence[Order | Guest]) -> Sequence[RecordOutcome]:
        return await _post(engine, orders, optimistic=True, observe=_count_orders)

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
        group=EARNING_ORDERS.name,
        service="earning",
        read=events.read,
        read_batch=events.read_batch,
        handle=handle,
        producer=producer,
        look_ahead=LookAhead(
            bootstrap,
            group=EARNING_ORDERS.name,
            read=events.read,
            handle=post,
            store_of=lambda order: order.store_id,
            security=security,
        ),
    )


def consume_refunds(
    engine: AsyncEngine, producer: AIOKafkaProducer
) -> BatchConsumer[Refund | Guest]:
    """Posts refunds. A refund that overtakes its order waits in the ledger."""
    events = _ShopEvents(
        EventReader(ORDER_REFUNDED, kind=OrderRefunded), build_refund, build_refunds
    )

    async def handle(refunds: Sequence[Refund | Guest]) -> Sequence[RecordOutcome]:
        outcomes = await _post(engine, refunds)
        _count_guests(ORDER_REFUNDED, refunds)
        return outcomes

    return BatchConsumer(
        topics=(ORDER_REFUNDED,),
        group=EARNING_REFUNDS.name,
        service="earning",
        read=events.read,
        read_batch=events.read_batch,
        handle=handle,
        producer=producer,
        policy=BACKGROUND,
    )


class _ShopEvents(Generic[E, P]):
    """Reads records as postings, or as guests' events; `build_together` builds the postings of events
    that are as most are."""

    def __init__(
        self,
        reader: EventReader[E],
        build: Callable[..., P],
        build_together: Callable[..., Sequence[P]],
    ) -> None:
        self._reader = reader
        self._build: Callable[..., P] = build
        self._build_together: Callable[..., Sequence[P]] = build_together

    def read(self, record: Record) -> P | Guest:
        event = self._reader.read(record)
        if is_guest(event):
            return Guest(str(event.store_id))
        try:
            return self._build(event, now=utc_now())
        except OutOfBounds as error:
            raise Poison("invalid", str(error)) from error

    def read_batch(self, records: Sequence[Record]) -> Sequence[P | Guest]:
        """The same for records that are as most are; raises any exception if one is not."""
        events = self._reader.read_batch(records)
        customers = [event for event in events if not is_guest(event)]
        postings = self._build_together(customers, now=utc_now())
        if len(postings) == len(events):
            return postings
        remaining = iter(postings)
        return [Guest(str(e.store_id)) if is_guest(e) else next(remaining) for e in events]


async def _post(
    engine: AsyncEngine,
    events: Sequence[Order | Refund | Guest],
    *,
    optimistic: bool = False,
    observe: Callable[[Sequence[Result]], None] = lambda _results: None,
) -> Sequence[RecordOutcome]:
    """Post the events that have a customer; returns an outcome for each event, in order. `observe` is
    called with the results once they are committed."""
    postings = [event for event in events if not isinstance(event, Guest)]
    if not postings:
        return [None] * len(events)
    results: list[Result] = []
    requests = [
        PostingRequest(postings[start : start + _POSTINGS_PER_STEP])
        for start in range(0, len(postings), _POSTINGS_PER_STEP)
    ]
    for outcome in await post_batch(engine, requests, optimistic=optimistic):
        if isinstance(outcome, WhaleError):
            raise outcome
        results += outcome.results
    observe(results)
    outcomes = [record_outcome(result) for result in results]
    if len(outcomes) == len(events):
        return outcomes
    remaining = iter(outcomes)
    return [None if isinstance(event, Guest) else next(remaining) for event in events]


def _count_orders(results: Sequence[Result]) -> None:
    """Count the orders of a batch by what became of them. A refused one is counted when its dead letter
    is read. Nearly all orders are posted, so that they cost next to nothing here."""
    not_posted = [
        result
        for result in results
        if type(result) is not OrderRecord or result.entry_sequence is None
    ]
    counts = Counter(
        ("duplicate", "") if isinstance(result, Duplicate) else outcome_of(result)
        for result in not_posted
        if isinstance(result, OrderRecord | Duplicate)
    )
    counts["counted", ""] += len(results) - len(not_posted)
    for (outcome, reason), count in counts.items():
        metrics.ORDERS.labels(outcome, reason).inc(count)


def _count_guests(topic: str, events: Sequence[object]) -> None:
    guests = sum(isinstance(event, Guest) for event in events)
    if guests:
        metrics.GUEST_EVENTS.labels(topic).inc(guests)
