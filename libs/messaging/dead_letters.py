"""Dead letters: records that can never be processed are copied, byte for byte, to the topic's `.dlq`.

A record that a producer cannot write as it is (because it is too large, for example) is truncated:
its dead letter has the first bytes, the digest and the size of the value, and the header
`dlq-truncated`. The original stays on its topic, at the position that every dead letter names.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from msgspec import Struct

from libs.contracts.topics import dead_letter_topic
from libs.kernel.clock import format_time, utc_now
from libs.kernel.ids import STORE_ID
from libs.messaging.cloudevents import POISON_CODES, Headers, Poison, peek
from libs.messaging.fetching import Unreadable
from libs.observability import logging, metrics

PREFIX: Final = "dlq-"
# A detail can quote the record; the header must not grow with it.
_MAX_DETAIL: Final = 1_000
# How many are sent to the broker together: bounds the memory of unacknowledged ones.
_CHUNK: Final = 1_000
# What a truncated dead letter retains; together far below the largest record of a topic.
TRUNCATED_VALUE_BYTES: Final = 65_536
_TRUNCATED_KEY_BYTES: Final = 1_024
_TRUNCATED_HEADERS: Final = 32
_TRUNCATED_HEADER_BYTES: Final = 256

# Kafka's errors that concern only this record; every other one may be transient.
_RECORD_ERRORS: Final = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    CorruptRecordException,
    InvalidTimestampError,
)

# How many headers every dead letter adds to those of the record, and how many more a truncated one.
_REASON_HEADERS: Final = 7
_TRUNCATION_HEADERS: Final = 3
_LAST_TRUNCATION_HEADER: Final = PREFIX + "sha256"

log = logging.get(__name__)


class DeadLetter(Struct, frozen=True):
    """A record, and the reason why it can never be processed."""

    record: Any
    poison: Poison


async def publish(
    producer: AIOKafkaProducer, dead_letters: Sequence[DeadLetter], *, service: str
) -> None:
    """Publish dead letters; returns when the broker has stored all of them.

    Raises KafkaError or OSError if the broker does not store them. Some may be stored nevertheless,
    and the caller publishes all of them again. No record can cause an exception.
    """
    now = format_time(utc_now())
    for start in range(0, len(dead_letters), _CHUNK):
        chunk = dead_letters[start : start + _CHUNK]
        refused = await _publish(
            producer, [(dead_letter, _copy(dead_letter, service, now)) for dead_letter in chunk]
        )
        await _publish_truncated(producer, refused, service=service, now=now)
    for dead_letter in dead_letters:
        metrics.DEAD_LETTERS.labels(dead_letter.record.topic, dead_letter.poison.code).inc()


def declare_metrics(topics: Sequence[str]) -> None:
    """Export a count of zero for these topics: an alert sees the first dead letter as an increase only
    from a value before it."""
    for topic in topics:
        for code in POISON_CODES:
            metrics.DEAD_LETTERS.labels(topic, code)


class _Message(Struct, frozen=True):
    """The arguments of the producer."""

    key: bytes | None
    value: bytes | None
    headers: Headers


async def _publish(
    producer: AIOKafkaProducer, messages: Sequence[tuple[DeadLetter, _Message | None]]
) -> list[DeadLetter]:
    """Publish dead letters; returns those that cannot be written in this form."""
    outcomes = await asyncio.gather(
        *(_send(producer, dead_letter, message) for dead_letter, message in messages),
        return_exceptions=True,
    )
    refused = []
    for (dead_letter, _), outcome in zip(messages, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            if not _concerns_the_record(outcome):
                raise outcome
            refused.append(dead_letter)
    return refused


async def _send(
    producer: AIOKafkaProducer, dead_letter: DeadLetter, message: _Message | None
) -> None:
    if message is None:
        raise MessageSizeTooLargeError
    acknowledgment = await producer.send(
        dead_letter_topic(dead_letter.record.topic),
        key=message.key,
        value=message.value,
        headers=message.headers,
    )
    await acknowledgment


async def _publish_truncated(
    producer: AIOKafkaProducer, dead_letters: Sequence[DeadLetter], *, service: str, now: str
) -> None:
    messages = [
        (dead_letter, _truncated_copy(dead_letter, service, now)) for dead_letter in dead_letters
    ]
    for dead_letter in dead_letters:
        log.warning("dead_letter_truncated", **log_fields(dead_letter.record))
    for dead_letter in await _publish(producer, messages):
        position = position_of(dead_letter.record)
        raise KafkaError(f"the truncated dead letter of {position} was refused")


def _concerns_the_record(error: BaseException) -> bool:
    if isinstance(error, KafkaError):
        return isinstance(error, _RECORD_ERRORS)
    # The producer's own checks: no key and no value, text that is not UTF-8, a wrong type.
    return isinstance(error, AssertionError | TypeError | ValueError | OverflowError)


def _copy(dead_letter: DeadLetter, service: str, now: str) -> _Message | None:
    """The bytes of the record unchanged, or None if there is no readable record to copy."""
    record: ConsumerRecord[Any, Any] = dead_letter.record
    if isinstance(record.value, Unreadable):
        return None
    headers = [*(record.headers or ()), *_reason_headers(dead_letter, service, now)]
    return _Message(record.key, record.value, headers)


def _truncated_copy(dead_letter: DeadLetter, service: str, now: str) -> _Message:
    record: ConsumerRecord[Any, Any] = dead_letter.record
    value = record.value or b""
    original_headers = [
        (_writable_name(name), (content or b"")[:_TRUNCATED_HEADER_BYTES])
        for name, content in (record.headers or ())[:_TRUNCATED_HEADERS]
    ]
    truncation = {
        "truncated": "true",
        "bytes": str(len(value)),
        "sha256": hashlib.sha256(value).hexdigest(),
    }
    return _Message(
        key=(record.key or b"")[:_TRUNCATED_KEY_BYTES],
        value=bytes(value[:TRUNCATED_VALUE_BYTES]),
        headers=[
            *original_headers,
            *_reason_headers(dead_letter, service, now),
            *_headers(truncation),
        ],
    )


def _writable_name(name: str) -> str:
    """A header's name with anything escaped that UTF-8 cannot encode."""
    return name.encode(errors="backslashreplace").decode()[:_TRUNCATED_HEADER_BYTES]


def position_of(record: Any) -> str:
    """Where a record is: `topic:partition:offset`."""
    return f"{record.topic}:{record.partition}:{record.offset}"


def log_fields(record: Any) -> dict[str, str]:
    """What a log line says about a record: its position, and the store that its value names, if it
    names one."""
    fields = {"record": position_of(record)}
    body = peek(record.value, record.headers or ())
    store_id = None if body is None else body.get("store_id")
    # Any other text could be anything, and a log line contains no customer's data.
    if isinstance(store_id, str) and STORE_ID.fullmatch(store_id):
        fields["store_id"] = store_id
    return fields


def _reason_headers(dead_letter: DeadLetter, service: str, now: str) -> Headers:
    record: ConsumerRecord[Any, Any] = dead_letter.record
    return _headers(
        {
            "code": dead_letter.poison.code,
            "detail": dead_letter.poison.detail[:_MAX_DETAIL],
            "service": service,
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "time": now,
        }
    )


def split_headers(headers: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    """Split a dead letter's headers into those of the record, whatever their names, and those that
    were appended to them, without their prefix."""
    is_truncated = headers and headers[-1][0] == _LAST_TRUNCATION_HEADER
    count = _REASON_HEADERS + (_TRUNCATION_HEADERS if is_truncated else 0)
    return list(headers[:-count]), {
        name.removeprefix(PREFIX): (value or b"").decode(errors="replace")
        for name, value in headers[-count:]
    }


def _headers(values: dict[str, str]) -> Headers:
    return [(PREFIX + name, value.encode(errors="replace")) for name, value in values.items()]
