"""The consumers of orders, refunds and fulfillments of shops."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from aiokafka import AIOKafkaProducer
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import OrderCompleted, OrderFulfilled, OrderRefunded, ShopEvent
from libs.contracts.groups import EARNING_FULFILLMENTS, EARNING_ORDERS, EARNING_REFUNDS
from libs.contracts.topics import ORDER_COMPLETED, ORDER_FULFILLED, ORDER_REFUNDED
from libs.kernel.clock import utc_now
from libs.kernel.errors import WhaleError
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.cloudevents import EventReader, Poison
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Record, RecordOutcome
from libs.messaging.look_ahead import LookAhead
from libs.observability import metrics
from services.earning.consumers.outcomes import record_outcome
from services.earning.domain.fulfillments import Fulfillment
from services.earning.domain.order_records import Order, OrderRecord
from services.earning.domain.orders import outcome_of
from services.earning.domain.postings import Duplicate, Posting
from services.earning.domain.refunds import Refund
from services.earning.domain.shop_events import (
    MAX_AHEAD,
    OutOfBounds,
    TooFarAhead,
    build_fulfillment,
    build_fulfillments,
    build_order,
    build_orders,
    build_refund,
    build_refunds,
    is_guest,
)
from services.earning.handlers.clock import StoreClocks
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
P = TypeVar("P", Order, Refund, Fulfillment)


class Guest(Struct, frozen=True):
    """An event of the store without a customer, which is ignored."""

    store_id: str


class Ahead(Struct, frozen=True):
    """An event that is ahead of the real time, but perhaps not of its store's clock. `detail` says what is
    wrong if it is."""

    posting: Order | Refund | Fulfillment
    detail: str

    @property
    def store_id(self) -> str:
        return self.posting.store_id

    @property
    def moment(self) -> datetime:
        if isinstance(self.posting, Fulfillment):
            return self.posting.fulfilled_at
        return self.posting.occurred_at


ShopPosting = Order | Refund | Fulfillment | Guest | Ahead
_NOT_POSTED = (Guest, Ahead)


def consume_orders(
    engine: AsyncEngine,
    clocks: StoreClocks,
    bootstrap: str,
    group_commit: PostingGroup,
    producer: AIOKafkaProducer,
    *,
    security: KafkaSecurity = PLAINTEXT,
) -> BatchConsumer[ShopPosting]:
    """Posts orders. A poll is one batch of the ledger, or several small ones while HTTP requests
    arrive, which go first."""
    events = _ShopEvents(
        EventReader(ORDER_COMPLETED, kind=OrderCompleted), clocks, build_order, build_orders
    )

    async def post(orders: Sequence[ShopPosting]) -> Sequence[RecordOutcome]:
        return await _post(engine, clocks, orders, optimistic=True, observe=_count_orders)

    async def handle(orders: Sequence[ShopPosting]) -> Sequence[RecordOutcome]:
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
    engine: AsyncEngine, clocks: StoreClocks, producer: AIOKafkaProducer
) -> BatchConsumer[ShopPosting]:
    """Posts refunds. A refund that overtakes its order waits in the ledger."""
    events = _ShopEvents(
        EventReader(ORDER_REFUNDED, kind=OrderRefunded), clocks, build_refund, build_refunds
    )

    return _consume_in_background(
        engine, clocks, producer, events, EARNING_REFUNDS.name, ORDER_REFUNDED
    )


def consume_fulfillments(
    engine: AsyncEngine, clocks: StoreClocks, producer: AIOKafkaProducer
) -> BatchConsumer[ShopPosting]:
    """Posts fulfillments. One that overtakes its order waits in the ledger."""
    events = _ShopEvents(
        EventReader(ORDER_FULFILLED, kind=OrderFulfilled),
        clocks,
        build_fulfillment,
        build_fulfillments,
    )

    return _consume_in_background(
        engine, clocks, producer, events, EARNING_FULFILLMENTS.name, ORDER_FULFILLED
    )


def _consume_in_background(
    engine: AsyncEngine,
    clocks: StoreClocks,
    producer: AIOKafkaProducer,
    events: "_ShopEvents[Any, Any]",
    group: str,
    topic: str,
) -> BatchConsumer[ShopPosting]:
    """Posts what follows an order, while orders and requests go first."""

    async def handle(postings: Sequence[ShopPosting]) -> Sequence[RecordOutcome]:
        outcomes = await _post(engine, clocks, postings)
        _count_guests(topic, postings)
        return outcomes

    return BatchConsumer(
        topics=(topic,),
        group=group,
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
        clocks: StoreClocks,
        build: Callable[..., P],
        build_together: Callable[..., Sequence[P]],
    ) -> None:
        self._reader = reader
        self._clocks = clocks
        self._build: Callable[..., P] = build
        self._build_together: Callable[..., Sequence[P]] = build_together

    def read(self, record: Record) -> P | Guest | Ahead:
        event = self._reader.read(record)
        if is_guest(event):
            return Guest(str(event.store_id))
        try:
            return self._build(event, now=utc_now())
        except TooFarAhead as error:
            return self._read_ahead(event, str(error))
        except OutOfBounds as error:
            raise Poison("invalid", str(error)) from error

    def _read_ahead(self, event: E, detail: str) -> Ahead:
        """The event, if some store's clock may be so far ahead."""
        try:
            return Ahead(self._build(event, now=self._clocks.latest), detail)
        except OutOfBounds as error:
            raise Poison("invalid", str(error)) from error

    def read_batch(self, records: Sequence[Record]) -> Sequence[P | Guest | Ahead]:
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
    clocks: StoreClocks,
    events: Sequence[ShopPosting],
    *,
    optimistic: bool = False,
    observe: Callable[[Sequence[Result]], None] = lambda _results: None,
) -> Sequence[RecordOutcome]:
    """Post the events that have a customer; returns an outcome for each event, in order. `observe` is
    called with the results once they are committed."""
    postings: Sequence[Posting] = [event for event in events if not isinstance(event, _NOT_POSTED)]
    refused: Mapping[int, Poison] = {}
    if len(postings) < len(events):
        refused, postings = await _find_postings(clocks, events)
    if not postings:
        return [refused.get(place) for place in range(len(events))]
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
    return [
        refused.get(place) if place in refused or isinstance(event, Guest) else next(remaining)
        for place, event in enumerate(events)
    ]


async def _find_postings(
    clocks: StoreClocks, events: Sequence[ShopPosting]
) -> tuple[dict[int, Poison], list[Posting]]:
    """The failures of the events that are ahead of their stores' clocks too, by position, and the other
    events that have a customer."""
    stores = {event.store_id for event in events if isinstance(event, Ahead)}
    now = await clocks.read_now(stores) if stores else {}
    refused: dict[int, Poison] = {}
    postings: list[Posting] = []
    for place, event in enumerate(events):
        if isinstance(event, Ahead):
            if event.moment > now[event.store_id] + MAX_AHEAD:
                refused[place] = Poison("invalid", event.detail)
            else:
                postings.append(event.posting)
        elif not isinstance(event, Guest):
            postings.append(event)
    return refused, postings


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
