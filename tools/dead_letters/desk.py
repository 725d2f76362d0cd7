"""The dead letters as an operator sees them: those nobody has replayed or dropped yet."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from msgspec import Struct

from libs.contracts.topics import CONSUMED, DEAD_LETTERS_HANDLED
from libs.kernel.clock import format_time, utc_now
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.dead_letters import split_headers
from libs.messaging.fetching import Unreadable
from libs.messaging.producer import producing
from tools.stack import kafka
from tools.stack.errors import StackError

_POLL_MS: Final = 500
# One record, from a broker that is up.
_ORIGINAL_MS: Final = 5_000
_CHUNK: Final = 1_000


class Letter(Struct, frozen=True, kw_only=True):
    """A dead letter. `place` is `<dead-letter topic>:<partition>:<offset>`; `told` are its reasons
    (code, detail, service, topic, partition, offset, time)."""

    place: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    told: Mapping[str, str]

    @property
    def code(self) -> str:
        return self.told.get("code", "?")

    @property
    def is_truncated(self) -> bool:
        """Whether the letter holds a part of the record only."""
        return "truncated" in self.told

    @property
    def origin(self) -> TopicPartition:
        """Where the record lies whole, for as long as its topic keeps it."""
        return TopicPartition(self.topic, int(self.told.get("partition", "0")))

    @property
    def topic(self) -> str:
        """The topic it came from, and goes back to."""
        return self.told.get("topic", self.place.split(":")[0].removesuffix(".dlq"))


class Desk:
    """Reads dead letters from Kafka, sends them back, and keeps which were handled."""

    def __init__(
        self, bootstrap: str, producer: AIOKafkaProducer, *, security: KafkaSecurity = PLAINTEXT
    ) -> None:
        self._bootstrap = bootstrap
        self._security = security
        self._producer = producer

    async def letters(self) -> list[Letter]:
        """Those not handled yet, in the order they came, per topic."""
        handled = {
            record.key.decode()
            async for record in self._all(DEAD_LETTERS_HANDLED)
            if record.key is not None
        }
        found = [
            _letter(record) for topic in CONSUMED async for record in self._all(topic.dead_letters)
        ]
        return [letter for letter in found if letter.place not in handled]

    async def replay(self, letters: Sequence[Letter]) -> None:
        """Publish them to their topic again as they first came, and mark them once the broker has
        them. A crash in between leaves them listed: replaying twice does nothing twice.

        A truncated letter is replayed from its original. Raises StackError, with nothing replayed,
        where one is no longer there or cannot be read.
        """
        whole = [await self._whole(letter) for letter in letters]
        for start in range(0, len(letters), _CHUNK):
            chunk = letters[start : start + _CHUNK]
            sent = [
                await self._producer.send(
                    letter.topic, key=letter.key, value=letter.value, headers=list(letter.headers)
                )
                for letter in whole[start : start + _CHUNK]
            ]
            for future in sent:
                await future
            await self._mark(chunk, "replayed")

    async def _whole(self, letter: Letter) -> Letter:
        if not letter.is_truncated:
            return letter
        place, offset = letter.origin, int(letter.told["offset"])
        async with kafka.open_consumer(
            self._bootstrap, letter.topic, security=self._security
        ) as consumer:
            consumer.seek(place, offset)
            found = (await consumer.getmany(place, timeout_ms=_ORIGINAL_MS, max_records=1)).get(
                place
            )
        record = found[0] if found else None
        if record is None or record.offset != offset or isinstance(record.value, Unreadable):
            raise StackError(
                f"{letter.place} is truncated, and its original, {letter.topic}:{place.partition}:"
                f"{offset}, is no longer there or is no record. Nothing was replayed: ask the shop "
                "to publish the event again, and drop this letter."
            )
        return msgspec.structs.replace(
            letter, key=record.key, value=record.value, headers=record.headers
        )

    async def drop(self, letters: Sequence[Letter]) -> None:
        """Mark them as done with; the topic keeps them for as long as it keeps records."""
        await self._mark(letters, "dropped")

    async def _mark(self, letters: Sequence[Letter], what: str) -> None:
        told = f"{what} {format_time(utc_now())}".encode()
        sent = [
            await self._producer.send(DEAD_LETTERS_HANDLED, key=letter.place.encode(), value=told)
            for letter in letters
        ]
        for future in sent:
            await future

    async def _all(self, topic: str) -> AsyncIterator[Any]:
        """Every record that the topic has now."""
        async with kafka.open_consumer(self._bootstrap, topic, security=self._security) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            left = {place for place in ends if await consumer.position(place) < ends[place]}
            while left:
                for records in (await consumer.getmany(*left, timeout_ms=_POLL_MS)).values():
                    for record in records:
                        yield record
                left = {place for place in left if await consumer.position(place) < ends[place]}


@asynccontextmanager
async def open_desk(bootstrap: str, *, security: KafkaSecurity = PLAINTEXT) -> AsyncIterator[Desk]:
    """A desk at the broker."""
    async with producing(bootstrap, security=security) as producer:
        yield Desk(bootstrap, producer, security=security)


def _letter(record: Any) -> Letter:
    headers, reasons = split_headers(record.headers)
    return Letter(
        place=f"{record.topic}:{record.partition}:{record.offset}",
        key=record.key,
        value=record.value,
        headers=headers,
        told=reasons,
    )
