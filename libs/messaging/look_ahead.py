"""A backlog of one store keeps no other store waiting: its records are handled ahead of it.

A topic is consumed in order, so an order of another store waits behind everything that a large one
published before it. While a consumer has a backlog, this reads on ahead of it, by the keys alone,
and hands the records of stores with few of them to the same handler. The consumer handles them
again when it gets there, and finds them known: the handler must be idempotent, as every one is.

Whatever is unusual is left to the consumer: a record that cannot be read, a verdict, a failure.
One store's records stay in order: once a record of a store was passed over, no later one of its
partition is taken until the consumer has come to it.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import fetching
from libs.messaging.security import client_options
from libs.observability import logging, metrics

E = TypeVar("E")

# Fewer records than this are handled within a fraction of a second anyway.
BACKLOG_RECORDS: Final = 4_000
# Records that one store may have handled ahead per second; a store with more is a backlog itself.
STORE_RECORDS_PER_SECOND: Final = 200
# How many keys are looked at in one go: the loop serves requests in between.
_LOOK_RECORDS: Final = 1_000
_POLL_MS: Final = 50

Ends = Mapping[TopicPartition, int]

log = logging.get(__name__)


class LookAhead(Generic[E]):
    """Handles records of stores with few of them while others have a backlog.

    `store_of` names the store of an event; the key of its record begins with the same name.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        group: str,
        read: Callable[[Any], E],
        handle: Callable[[Sequence[E]], Awaitable[Any]],
        store_of: Callable[[E], str],
        backlog_records: int = BACKLOG_RECORDS,
        store_records_per_second: int = STORE_RECORDS_PER_SECOND,
        security: KafkaSecurity = PLAINTEXT,
    ) -> None:
        self._bootstrap = bootstrap
        self._security = security
        self._group = group
        self._read = read
        self._handle = handle
        self._store_of = store_of
        self._backlog_records = backlog_records
        self._done: dict[TopicPartition, int] = {}
        self._fair = _FairShare(store_records_per_second)
        self._running: asyncio.Task[None] | None = None
        self._backlog = False

    def update(self, done: Ends, ends: Ends) -> None:
        """Say how far the consumer is in its partitions, and where they end."""
        self._done = dict(done)
        behind = sum(max(end - done.get(place, end), 0) for place, end in ends.items())
        self._backlog = behind >= self._backlog_records
        if self._backlog and (self._running is None or self._running.done()):
            self._running = asyncio.create_task(self._run(), name="look-ahead")

    async def stop(self) -> None:
        """End it; what it was handling may be handled or not."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        fetching.install()
        try:
            async with _consuming(self._bootstrap, self._security) as consumer:
                while self._backlog:
                    self._follow(consumer)
                    polled = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_LOOK_RECORDS)
                    for place, records in polled.items():
                        await self._handle_light(self._choose(place, records))
        except Exception as error:  # noqa: BLE001  the consumer gets to all of it, only later
            log.warning("look_ahead_failed", group=self._group, error=repr(error))
        finally:
            self._fair.clear()

    def _follow(self, consumer: AIOKafkaConsumer) -> None:
        """Read the consumer's partitions, each from where the consumer is or further on."""
        done = self._done
        ours = set(consumer.assignment())
        if ours != set(done):
            consumer.assign(list(done))
            self._fair.clear()
            ours = set()
        for place, offset in done.items():
            if place not in ours or self._fair.position(place) < offset:
                consumer.seek(place, offset)
                self._fair.reopen(place, offset)

    def _choose(self, place: TopicPartition, records: Sequence[Any]) -> list[E]:
        chosen: list[E] = []
        for record in records:
            self._fair.passed(place, record.offset + 1)
            store = (record.key or b"").partition(b":")[0]
            if not self._fair.is_open(place, store):
                continue
            try:
                event = self._read(record)
            except Exception:  # noqa: BLE001, S112  a dead letter is the consumer's work
                continue
            # The key is the shop's word; the event decides whose share is used.
            if self._fair.take(place, self._store_of(event).encode(), key_store=store):
                chosen.append(event)
        return chosen

    async def _handle_light(self, events: Sequence[E]) -> None:
        if events:
            await self._handle(events)
            metrics.LOOKED_AHEAD.labels(self._group).inc(len(events))


class _FairShare:
    """Which stores may have records of a partition handled ahead.

    A store that used up its share is closed in that partition, since a later record of it must not
    be handled before an earlier one; it opens again once the consumer has come there.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._positions: dict[TopicPartition, int] = {}
        self._closed: set[tuple[TopicPartition, bytes]] = set()
        self._shares: dict[bytes, tuple[float, float]] = {}

    def clear(self) -> None:
        self._positions.clear()
        self._closed.clear()
        self._shares.clear()

    def position(self, place: TopicPartition) -> int:
        """Where reading goes on."""
        return self._positions.get(place, 0)

    def passed(self, place: TopicPartition, offset: int) -> None:
        self._positions[place] = offset

    def reopen(self, place: TopicPartition, offset: int) -> None:
        """The consumer has come to `offset`, so nothing before it was passed over."""
        self._positions[place] = offset
        self._closed = {one for one in self._closed if one[0] != place}

    def is_open(self, place: TopicPartition, store: bytes) -> bool:
        return (place, store) not in self._closed

    def take(self, place: TopicPartition, store: bytes, *, key_store: bytes) -> bool:
        """Use one of the store's share; where there is none left, close the store there."""
        if not self.is_open(place, store):
            self._closed.add((place, key_store))
            return False
        now = time.monotonic()
        left, since = self._shares.get(store, (float(self._per_second), now))
        left = min(left + (now - since) * self._per_second, self._per_second)
        if left < 1:
            self._closed |= {(place, store), (place, key_store)}
            return False
        self._shares[store] = (left - 1, now)
        return True


@contextlib.asynccontextmanager
async def _consuming(bootstrap: str, security: KafkaSecurity) -> Any:
    """A consumer of no group, which is given its partitions."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **client_options(security),
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()
