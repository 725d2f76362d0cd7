"""The consumer of the dead letters of shop events, and of the marks of handled ones."""

from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.groups import EARNING_DEAD_LETTERS
from libs.contracts.letter_marks import decode_mark
from libs.contracts.topics import (
    DEAD_LETTER_SUFFIX,
    DEAD_LETTERS_HANDLED,
    ORDER_COMPLETED,
)
from libs.kernel.clock import parse_time, utc_now
from libs.messaging.cloudevents import POISON_CODES, Headers, peek
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Record, RecordOutcome
from libs.messaging.dead_letters import TRUNCATED_VALUE_BYTES, position_of, split_headers
from libs.observability import metrics
from services.earning.domain.dead_letters import HandledLetter, Letter, find_subject, letter_id
from services.earning.handlers import dead_letters

# What is stored of a dead letter's headers: of a record that is broken on purpose, they can be many.
_HEADERS = 32
_HEADER_CHARACTERS = 256
# Of a record with a larger key and headers, only the beginning is stored.
_KEY_AND_HEADERS_BYTES = 16_384


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
