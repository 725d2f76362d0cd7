"""Reads dead letters and checks them against the records they are about."""

import hashlib
from collections import defaultdict
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from libs.contracts.topics import dead_letter_topic
from tests.chaos.records import Place, Record
from tests.support import Stack

KEPT_BYTES: Final = 65_536


class Letter(Struct, frozen=True):
    """A dead letter. Of headers with the same name the last one counts, since a service appends its
    own to those of the record."""

    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes | None]

    @property
    def code(self) -> str:
        return (self.headers["dlq-code"] or b"").decode()

    @property
    def service(self) -> str:
        return (self.headers["dlq-service"] or b"").decode()

    @property
    def truncated(self) -> bool:
        return "dlq-truncated" in self.headers

    @property
    def place(self) -> Place:
        """The place of the original record."""
        topic, partition, offset = (
            (self.headers[name] or b"").decode()
            for name in ("dlq-topic", "dlq-partition", "dlq-offset")
        )
        return Place(topic, int(partition), int(offset))


# By the place of the original record, then by the service that wrote the letter.
Letters = dict[Place, dict[str, Letter]]


async def end(stack: Stack, topic: str) -> dict[TopicPartition, int]:
    """The present end of the topic's dead letters."""
    async with AIOKafkaConsumer(bootstrap_servers=stack.kafka) as consumer:
        return dict(await consumer.end_offsets([TopicPartition(dead_letter_topic(topic), 0)]))


async def since(stack: Stack, start: dict[TopicPartition, int]) -> Letters:
    """The dead letters from `start` to the present end."""
    by_position: Letters = defaultdict(dict)
    async with AIOKafkaConsumer(
        bootstrap_servers=stack.kafka, enable_auto_commit=False
    ) as consumer:
        ends = await consumer.end_offsets(list(start))
        consumer.assign(list(start))
        for at, offset in start.items():
            consumer.seek(at, offset)
        while any([await consumer.position(at) < ends[at] for at in start]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    letter = Letter(record.key, record.value, dict(record.headers))
                    by_position[letter.place][letter.service] = letter
    return by_position


def faults_of(letter: Letter, record: Record, *, readable: bool = True) -> list[str]:
    """What is wrong with a record's letter. The letter about a record that no client can read need not
    carry its content."""
    faults = [f"no {name}" for name in ("dlq-detail", "dlq-time") if not letter.headers.get(name)]
    if readable:
        faults += _faults_of_stub(letter, record) if letter.truncated else _faults(letter, record)
    return faults


def _faults(letter: Letter, record: Record) -> list[str]:
    """Whatever differs from the original key, headers and bytes."""
    faults = [
        f"no header {name!r} of {value!r}"
        for name, value in dict(record.headers).items()
        if not name.startswith(b"dlq-") and letter.headers.get(name.decode(), b"-") != value
    ]
    if letter.value != record.value:
        faults.append("another value")
    if (letter.key or b"") != (record.key or b""):
        faults.append("another key")
    return faults


def _faults_of_stub(letter: Letter, record: Record) -> list[str]:
    value = record.value or b""
    digest = (letter.headers.get("dlq-sha256") or b"").decode()
    faults = [] if digest == hashlib.sha256(value).hexdigest() else [f"digest {digest}"]
    if (letter.value or b"") != value[:KEPT_BYTES]:
        faults.append(f"{len(letter.value or b'')} bytes that are not the first of {len(value)}")
    return faults
