"""The consumers of earning: orders and refunds of shops, resolutions of anomalies, dead letters."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec
from aiokafka import AIOKafkaProducer
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import AnomalyChanged, OrderCompleted, OrderRefunded, ShopEvent
from libs.contracts.groups import (
    EARNING_DEAD_LETTERS,
    EARNING_ORDERS,
    EARNING_REFUNDS,
    EARNING_RESOLUTIONS,
)
from libs.contracts.letter_marks import decode_mark
from libs.contracts.topics import (
    ANOMALY_RESOLVED,
    DEAD_LETTER_SUFFIX,
    DEAD_LETTERS_HANDLED,
    ORDER_COMPLETED,
    ORDER_REFUNDED,
)
from libs.kernel.clock import parse_time, utc_now
from libs.kernel.errors import WhaleError
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.cloudevents import POISON_CODES, EventReader, Headers, Poison, peek
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Record, RecordOutcome
from libs.messaging.dead_letters import TRUNCATED_VALUE_BYTES, position_of, split_headers
from libs.messaging.look_ahead import LookAhead
from libs.observability import metrics
from libs.persistence.batch import RequestOutcome
from services.earning.domain.dead_letters import HandledLetter, Letter, find_subject, letter_id
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
from services.earning.handlers import dead_letters
from services.earning.handlers.posting import (
    PostingGroup,
    PostingRequest,
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

# What is stored of a dead letter's headers: of a record that is broken on purpose, they can be many.
_HEADERS = 32
_HEADER_CHARACTERS = 256
# Of a record with a larger key and headers, only the beginning is stored.
_KEY_AND_HEADERS_BYTES = 16_384

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
        group=ORDERS_GROUP,
        service="earning",
        read=events.read,
        read_batch=events.read_batch,
        handle=handle,
        producer=producer,
        look_ahead=LookAhead(
            bootstrap,
            group=ORDERS_GROUP,
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
        group=REFUNDS_GROUP,
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


def consume_dead_letters(
    engine: AsyncEngine, _producer: AIOKafkaProducer
) -> BatchConsumer[Letter | HandledLetter | None]:
    """Records the dead letters of shop events for the stores that they belong to, and which letters
    operators replayed or dropped. A letter that cannot be read as one is skipped."""

    async def handle(items: Sequence[Letter | HandledLetter | None]) -> Sequence[RecordOutcome]:
        letters = [item for item in items if isinstance(item, Letter)]
        handled = [item for item in items if isinstance(item, HandledLetter)]
        await dead_letters.record(engine, letters, handled)
        return [None] * len(items)

    return BatchConsumer(
        topics=EARNING_DEAD_LETTERS.topics,
        group=EARNING_DEAD_LETTERS.name,
        service="earning",
        read=_read_letter,
        handle=handle,
        producer=None,
        policy=BACKGROUND,
    )


def _read_letter(record: Record) -> Letter | HandledLetter | None:
    """The letter of a store, the mark of one, or None for a letter that belongs to no store."""
    if record.topic == DEAD_LETTERS_HANDLED:
        return None if record.key is None else _read_mark(record)
    headers, failure = split_headers(record.headers)
    topic = record.topic.removesuffix(DEAD_LETTER_SUFFIX)
    if failure["code"] not in POISON_CODES:
        raise ValueError(f"{failure['code']} is no code of a dead letter")
    if topic == ORDER_COMPLETED:
        metrics.ORDERS.labels("refused", failure["code"]).inc()
    subject = find_subject(peek(record.value, headers), record.key)
    if subject is None:
        return None
    place = position_of(record)
    raw_headers = msgspec.msgpack.encode(headers)
    is_truncated = (
        "truncated" in failure
        or len(record.value) > TRUNCATED_VALUE_BYTES
        or len(record.key or b"") + len(raw_headers) > _KEY_AND_HEADERS_BYTES
    )
    return Letter(
        id=letter_id(place),
        place=place,
        store_id=subject.store_id,
        topic=topic,
        code=failure["code"],
        detail=failure["detail"].replace("\x00", "\ufffd"),
        service=failure["service"],
        customer_id=subject.customer_id,
        order_id=subject.order_id,
        truncated=is_truncated,
        dead_at=parse_time(failure["time"]),
        headers=_encode_headers(headers),
        value=record.value[:TRUNCATED_VALUE_BYTES],
        key=None if is_truncated else record.key,
        raw_headers=None if is_truncated else raw_headers,
    )


def _read_mark(record: Record) -> HandledLetter:
    """The letter that a mark names. A mark that cannot be read says at least that it was handled."""
    mark = decode_mark(record.value)
    return HandledLetter(
        id=letter_id(record.key.decode()),
        outcome=None if mark is None else mark.outcome,
        handled_at=utc_now() if mark is None else mark.handled_at,
    )


def _encode_headers(headers: Headers) -> bytes:
    """The beginning of a record's headers as a JSON object of texts."""
    return msgspec.json.encode(
        {
            name[:_HEADER_CHARACTERS]: (content or b"")[:_HEADER_CHARACTERS].decode(
                errors="backslashreplace"
            )
            for name, content in headers[:_HEADERS]
        }
    )


def _resolution_outcome(outcome: RequestOutcome) -> RecordOutcome:
    if isinstance(outcome, WhaleError):
        raise outcome
    return next((record_outcome(result) for result in outcome.results), None)


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


def record_outcome(result: Result) -> RecordOutcome:
    """A refusal makes the record a dead letter; any other result means that it is applied."""
    if not isinstance(result, WhaleError):
        return None
    return Poison("conflict" if result.code == "conflict" else "invalid", result.detail)
