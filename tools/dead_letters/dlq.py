"""The dead-letter topics as a queue for operators: letters that are neither replayed nor dropped."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from msgspec import Struct

from libs.contracts.letter_marks import LetterOutcome, Mark, encode_mark
from libs.contracts.topics import CONSUMED, DEAD_LETTERS_HANDLED
from libs.kernel.clock import utc_now
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.dead_letters import split_headers
from libs.messaging.fetching import Unreadable
from libs.messaging.producer import producing
from tools.stack import kafka
from tools.stack.errors import StackError

_POLL_MS: Final = 500
# The timeout for reading one record from a broker that is up.
_ORIGINAL_MS: Final = 5_000
# Records in flight at a time: a crash leaves at most so many replayed letters on the list.
_CHUNK: Final = 1_000


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A record of a dead-letter topic. `place` is `<dead-letter topic>:<partition>:<offset>`;
    `headers` are those of the original record; `failure` says why it failed: code, detail, service,
    topic, partition, offset, time."""

    place: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    failure: Mapping[str, str]

    @property
    def code(self) -> str:
        return self.failure.get("code", "?")

    @property
    def is_truncated(self) -> bool:
        """Whether the letter holds only a part of the record."""
        return "truncated" in self.failure

    @property
    def topic(self) -> str:
        """The topic of the original record, to which a replay publishes."""
        return self.failure.get("topic", self.place.split(":")[0].removesuffix(".dlq"))

    @property
    def original_partition(self) -> TopicPartition:
        """The partition of the original record."""
        return TopicPartition(self.topic, int(self.failure.get("partition", "0")))


class DeadLetterQueue:
    """Reads, replays and drops dead letters; a topic stores which letters were handled."""

    def __init__(
        self, bootstrap: str, producer: AIOKafkaProducer, *, security: KafkaSecurity = PLAINTEXT
    ) -> None:
        self._bootstrap = bootstrap
        self._security = security
        self._producer = producer

    async def read(self) -> list[DeadLetter]:
        """The letters not handled yet, the oldest first."""
        handled = {
            record.key.decode()
            async for record in self._records(DEAD_LETTERS_HANDLED)
            if record.key is not None
        }
        records = [
            record for topic in CONSUMED async for record in self._records(topic.dead_letters)
        ]
        letters = map(_letter, sorted(records, key=attrgetter("timestamp")))
        return [letter for letter in letters if letter.place not in handled]

    async def replay(self, letters: Sequence[DeadLetter]) -> None:
        """Publish the original records to their topics, and mark the letters as handled once the
        broker has acknowledged the records. A crash in between leaves the letters on the list: a
        record that is replayed twice takes effect once.

        A truncated letter is replayed from its original record. Raises StackError, and replays
        nothing, where an original is deleted or cannot be read.
        """
        originals = [await self._original(letter) for letter in letters]
        for start in range(0, len(letters), _CHUNK):
            acknowledgments = [
                await self._producer.send(
                    letter.topic, key=letter.key, value=letter.value, headers=list(letter.headers)
                )
                for letter in originals[start : start + _CHUNK]
            ]
            for acknowledgment in acknowledgments:
                await acknowledgment
            await self._mark(letters[start : start + _CHUNK], "replayed")

    async def _original(self, letter: DeadLetter) -> DeadLetter:
        """The letter, with the whole original record where it is truncated."""
        if not letter.is_truncated:
            return letter
        partition, offset = letter.original_partition, int(letter.failure["offset"])
        async with kafka.open_consumer(
            self._bootstrap, letter.topic, security=self._security
        ) as consumer:
            consumer.seek(partition, offset)
            batch = await consumer.getmany(partition, timeout_ms=_ORIGINAL_MS, max_records=1)
        record = next(iter(batch.get(partition, ())), None)
        if record is None or record.offset != offset or isinstance(record.value, Unreadable):
            raise StackError(
                f"{letter.place} is truncated, and its original, {letter.topic}:"
                f"{partition.partition}:{offset}, is deleted or cannot be read. Nothing was replayed: "
                "ask the shop to publish the event again, and drop this letter."
            )
        return msgspec.structs.replace(
            letter, key=record.key, value=record.value, headers=record.headers
        )

    async def drop(self, letters: Sequence[DeadLetter]) -> None:
        """Mark the letters as handled; their records stay until the topic's retention ends."""
        await self._mark(letters, "dropped")

    async def _mark(self, letters: Sequence[DeadLetter], outcome: LetterOutcome) -> None:
        value = encode_mark(Mark(outcome, utc_now()))
        acknowledgments = [
            await self._producer.send(DEAD_LETTERS_HANDLED, key=letter.place.encode(), value=value)
            for letter in letters
        ]
        for acknowledgment in acknowledgments:
            await acknowledgment

    async def _records(self, topic: str) -> AsyncIterator[Any]:
        """Every record of the topic up to its present end."""
        async with kafka.open_consumer(self._bootstrap, topic, security=self._security) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            unread = {each for each in ends if await consumer.position(each) < ends[each]}
            while unread:
                for records in (await consumer.getmany(*unread, timeout_ms=_POLL_MS)).values():
                    for record in records:
                        yield record
                unread = {each for each in unread if await consumer.position(each) < ends[each]}


@asynccontextmanager
async def open_dead_letter_queue(
    bootstrap: str, *, security: KafkaSecurity = PLAINTEXT
) -> AsyncIterator[DeadLetterQueue]:
    """The dead letters of a broker."""
    async with producing(bootstrap, security=security) as producer:
        yield DeadLetterQueue(bootstrap, producer, security=security)


def _letter(record: Any) -> DeadLetter:
    headers, failure = split_headers(record.headers)
    return DeadLetter(
        place=f"{record.topic}:{record.partition}:{record.offset}",
        key=record.key,
        value=record.value,
        headers=headers,
        failure=failure,
    )
