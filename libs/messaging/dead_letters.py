"""Dead letters: what can never be processed goes, bytes untouched, to the topic's own `.dlq`.

A letter that Kafka cannot take as it is (too large, or no record that a producer could write) goes
as a stub: the first bytes, the digest and the size of the value, and the header `dlq-truncated`.
The original stays on its topic, at the place that every letter names.
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
from libs.messaging.cloudevents import Headers, Poison
from libs.messaging.fetching import Unreadable
from libs.observability import logging, metrics

PREFIX: Final = "dlq-"
TRUNCATED: Final = "dlq-truncated"
# A reason can quote the record; a header should not grow with it.
_MAX_DETAIL: Final = 1_000
# Published at once: bounds the memory that waits for the broker.
_CHUNK: Final = 1_000
# What a stub keeps; together far below what a topic takes.
STUB_VALUE_BYTES: Final = 65_536
_STUB_KEY_BYTES: Final = 1_024
_STUB_HEADERS: Final = 32
_STUB_HEADER_BYTES: Final = 256

# Kafka's answers about this one record; every other error of Kafka's may pass.
_ABOUT_THE_RECORD: Final = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    CorruptRecordException,
    InvalidTimestampError,
)

# How many headers say why a record is dead, and how many more that its letter is a stub.
_REASONS: Final = 7
_STUB_REASONS: Final = 3
_LAST_OF_STUB: Final = PREFIX + "sha256"

log = logging.get(__name__)


class DeadLetter(Struct, frozen=True):
    """A record and why it is dead."""

    record: Any
    poison: Poison


async def publish(
    producer: AIOKafkaProducer, letters: Sequence[DeadLetter], *, service: str
) -> None:
    """Publish the dead letters; returns when the broker has them all.

    Raises KafkaError or OSError while the broker does not take them: then some may be there all the
    same, and publishing all of them again is right. No record can make it raise.
    """
    now = format_time(utc_now())
    for start in range(0, len(letters), _CHUNK):
        chunk = letters[start : start + _CHUNK]
        refused = await _publish(producer, [(one, _whole(one, service, now)) for one in chunk])
        await _publish_stubs(producer, refused, service=service, now=now)
    for letter in letters:
        metrics.DEAD_LETTERS.labels(letter.record.topic, letter.poison.code).inc()


class _Message(Struct, frozen=True):
    """What is handed to the producer."""

    key: bytes | None
    value: bytes | None
    headers: Headers


async def _publish(
    producer: AIOKafkaProducer, messages: Sequence[tuple[DeadLetter, _Message | None]]
) -> list[DeadLetter]:
    """Publish; returns the letters that Kafka cannot take in this form."""
    outcomes = await asyncio.gather(
        *(_send(producer, letter, message) for letter, message in messages),
        return_exceptions=True,
    )
    refused = []
    for (letter, _), outcome in zip(messages, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            if not _is_about_the_record(outcome):
                raise outcome
            refused.append(letter)
    return refused


async def _send(producer: AIOKafkaProducer, letter: DeadLetter, message: _Message | None) -> None:
    if message is None:
        raise MessageSizeTooLargeError
    sent = await producer.send(
        dead_letter_topic(letter.record.topic),
        key=message.key,
        value=message.value,
        headers=message.headers,
    )
    await sent


async def _publish_stubs(
    producer: AIOKafkaProducer, letters: Sequence[DeadLetter], *, service: str, now: str
) -> None:
    stubs = [(letter, _stub(letter, service, now)) for letter in letters]
    for letter, _ in stubs:
        log.warning("dead_letter_truncated", record=place_of(letter.record))
    for letter in await _publish(producer, stubs):
        raise KafkaError(f"the stub of {place_of(letter.record)} was refused")


def _is_about_the_record(error: BaseException) -> bool:
    if isinstance(error, KafkaError):
        return isinstance(error, _ABOUT_THE_RECORD)
    # The producer's own checks: no key and no value, text that is not UTF-8, a wrong type.
    return isinstance(error, AssertionError | TypeError | ValueError | OverflowError)


def _whole(letter: DeadLetter, service: str, now: str) -> _Message | None:
    """The letter with the record's bytes untouched; None where there is no record to copy."""
    record: ConsumerRecord[Any, Any] = letter.record
    if isinstance(record.value, Unreadable):
        return None
    headers = [*(record.headers or ()), *_reasons(letter, service, now)]
    return _Message(record.key, record.value, headers)


def _stub(letter: DeadLetter, service: str, now: str) -> _Message:
    record: ConsumerRecord[Any, Any] = letter.record
    value = record.value or b""
    kept = [
        (_written(name), (content or b"")[:_STUB_HEADER_BYTES])
        for name, content in (record.headers or ())[:_STUB_HEADERS]
    ]
    about = {
        "truncated": "true",
        "bytes": str(len(value)),
        "sha256": hashlib.sha256(value).hexdigest(),
    }
    return _Message(
        key=(record.key or b"")[:_STUB_KEY_BYTES],
        value=bytes(value[:STUB_VALUE_BYTES]),
        headers=[*kept, *_reasons(letter, service, now), *_headers(about)],
    )


def _written(name: str) -> str:
    """A header's name as a producer can write it."""
    return name.encode(errors="backslashreplace").decode()[:_STUB_HEADER_BYTES]


def place_of(record: Any) -> str:
    """Where a record lies: `topic:partition:offset`."""
    return f"{record.topic}:{record.partition}:{record.offset}"


def _reasons(letter: DeadLetter, service: str, now: str) -> Headers:
    record: ConsumerRecord[Any, Any] = letter.record
    return _headers(
        {
            "code": letter.poison.code,
            "detail": letter.poison.detail[:_MAX_DETAIL],
            "service": service,
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "time": now,
        }
    )


def split_headers(headers: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    """A letter's headers as the record's own, whatever they are called, and the reasons that were
    added behind them, without their prefix."""
    added = _REASONS + _STUB_REASONS if headers and headers[-1][0] == _LAST_OF_STUB else _REASONS
    own, reasons = headers[:-added], headers[-added:]
    return list(own), {
        name.removeprefix(PREFIX): (value or b"").decode(errors="replace")
        for name, value in reasons
    }


def _headers(values: dict[str, str]) -> Headers:
    return [(PREFIX + name, value.encode(errors="replace")) for name, value in values.items()]
