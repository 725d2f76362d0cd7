"""Dead letters: what can never be processed goes, bytes untouched, to the topic's own `.dlq`."""

from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer, ConsumerRecord
from msgspec import Struct

from libs.contracts.topics import dead_letter_topic
from libs.kernel.clock import format_time, utc_now
from libs.messaging.cloudevents import Headers, Poison
from libs.observability import metrics

PREFIX: Final = "dlq-"
# A reason can quote the record; a header should not grow with it.
_MAX_DETAIL: Final = 1_000
# Sent at once: bounds the memory that waits for the broker.
_CHUNK: Final = 1_000


class DeadLetter(Struct, frozen=True):
    """A record and why it is dead."""

    record: Any
    poison: Poison


async def send(producer: AIOKafkaProducer, letters: Sequence[DeadLetter], *, service: str) -> None:
    """Publish the dead letters; returns when the broker has them all, raises KafkaError else."""
    now = format_time(utc_now())
    for start in range(0, len(letters), _CHUNK):
        sent = [
            await producer.send(
                dead_letter_topic(letter.record.topic),
                key=letter.record.key,
                value=letter.record.value,
                headers=[*letter.record.headers, *_reason(letter, service, now)],
            )
            for letter in letters[start : start + _CHUNK]
        ]
        for future in sent:
            await future
    for letter in letters:
        metrics.DEAD_LETTERS.labels(letter.record.topic, letter.poison.code).inc()


def _reason(letter: DeadLetter, service: str, now: str) -> Headers:
    record: ConsumerRecord[Any, Any] = letter.record
    told = {
        "code": letter.poison.code,
        "detail": letter.poison.detail[:_MAX_DETAIL],
        "service": service,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "time": now,
    }
    return [(PREFIX + name, value.encode(errors="replace")) for name, value in told.items()]
