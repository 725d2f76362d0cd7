"""Handles records of small stores ahead of the backlog of a large store.

A topic is consumed in order, so an order of one store waits behind everything that another store
published before it. While a consumer has a backlog, the look-ahead reads beyond it, by the keys
alone, and passes the records of stores with few of them to the same handler. The consumer passes
them to the handler again when it reaches them; every handler is idempotent.

Anything unusual is left to the consumer: a record that cannot be read, a dead letter, a failure.
The records of a store stay in order: once one of them was skipped, no later record of this store in
the partition is handled ahead until the consumer has reached the skipped one.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import fetching, spans
from libs.messaging.security import client_options
from libs.observability import logging, metrics

E = TypeVar("E")

# The consumer handles fewer records than this within a fraction of a second.
BACKLOG_RECORDS: Final = 4_000
# How many records of one store are handled ahead per second; a store with more is a backlog itself.
STORE_RECORDS_PER_SECOND: Final = 200
# How many records a poll returns, and how many bytes of keys it reads; between polls the event loop
# serves requests.
_POLL_RECORDS: Final = 200
_FETCH_BYTES: Final = 256 * 1024
_POLL_MS: Final = 50

Offsets = Mapping[TopicPartition, int]

log = logging.get(__name__)


class LookAhead(Generic[E]):
    """Handles records of small stores while the consumer of `group` has a backlog.

    `store_of` returns the id of an event's store; the key of its record begins with the same id.
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
        self._next_offsets: dict[TopicPartition, int] = {}
        self._fair = _FairShare(store_records_per_second)
        self._closed_stores: AbstractSet[bytes] = set()
        self._task: asyncio.Task[None] | None = None
        self._has_backlog = False

    def update(self, next_offsets: Offsets, end_offsets: Offsets) -> None:
        """Report the consumer's progress: per partition its next offset and the partition's end."""
        self._next_offsets = dict(next_offsets)
        lag = sum(
            max(end - next_offsets.get(partition, end), 0) for partition, end in end_offsets.items()
        )
        self._has_backlog = lag >= self._backlog_records
        if self._has_backlog and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="look-ahead")

    async def stop(self) -> None:
        """Cancel the look-ahead. A batch in progress may or may not be applied."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        fetching.install()
        fetching.skip_keys(lambda key: _store_in(key) in self._closed_stores)
        try:
            async with _consuming(self._bootstrap, self._security) as consumer:
                while self._has_backlog:
                    await self._follow(consumer)
                    polled = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
                    for partition, records in polled.items():
                        await self._handle_ahead(self._select(partition, records))
        except Exception as error:  # noqa: BLE001  the consumer handles the same records later
            log.warning("look_ahead_failed", group=self._group, error=repr(error))
        finally:
            self._fair.assign(())

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        """Read the consumer's partitions, each from the consumer's own offset or a later one."""
        next_offsets = self._next_offsets
        assignment = set(consumer.assignment())
        if assignment != set(next_offsets):
            consumer.assign(list(next_offsets))
            self._fair.assign(next_offsets)
            assignment = set()
        for partition, offset in next_offsets.items():
            if partition not in assignment or await consumer.position(partition) < offset:
                consumer.seek(partition, offset)
                self._fair.reopen(partition)
        self._closed_stores = self._fair.closed_everywhere()

    def _select(self, partition: TopicPartition, records: Sequence[Any]) -> list[tuple[Any, E]]:
        """The records to handle ahead, each with its event."""
        selected: list[tuple[Any, E]] = []
        closed_stores = self._fair.closed_stores(partition)
        for record in records:
            store = _store_in(record.key)
            if store in closed_stores:
                continue
            try:
                event = self._read(record)
            except Exception:  # noqa: BLE001, S112  the consumer makes the dead letter
                continue
            # The shop chose the key; the share that counts is that of the event's store.
            if self._fair.take(partition, self._store_of(event).encode(), key_store=store):
                selected.append((record, event))
        return selected

    async def _handle_ahead(self, selected: Sequence[tuple[Any, E]]) -> None:
        if selected:
            records = [record for record, _ in selected]
            with spans.consuming(records, group=self._group, operation="look ahead"):
                await self._handle([event for _, event in selected])
            metrics.LOOKED_AHEAD.labels(self._group).inc(len(selected))


def _store_in(key: bytes | None) -> bytes:
    """The store that a record's key names; the shop chose the key, so it may be any other."""
    return (key or b"").partition(b":")[0]


class _FairShare:
    """Decides which stores may have records of a partition handled ahead.

    A store that has used up its share is closed in that partition, since none of its later records
    may be handled before an earlier one. It is opened again once the consumer has caught up.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._closed: dict[TopicPartition, set[bytes]] = {}
        self._shares: dict[bytes, tuple[float, float]] = {}

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Start with these partitions, all stores open and with their whole share."""
        self._closed = {partition: set() for partition in partitions}
        self._shares.clear()

    def reopen(self, partition: TopicPartition) -> None:
        """Open all stores again: the consumer has handled what was skipped in the partition."""
        self._closed[partition].clear()

    def closed_everywhere(self) -> AbstractSet[bytes]:
        """The stores that are closed in every partition: none of their records need be read."""
        return set.intersection(*self._closed.values()) if self._closed else set()

    def closed_stores(self, partition: TopicPartition) -> AbstractSet[bytes]:
        """The stores whose records of the partition are left to the consumer; `take` adds to it."""
        return self._closed[partition]

    def take(self, partition: TopicPartition, store: bytes, *, key_store: bytes) -> bool:
        """Use one record of the store's share. If none is left, close the store in the partition
        and return False."""
        closed = self._closed[partition]
        if store in closed:
            closed.add(key_store)
            return False
        now = time.monotonic()
        share, since = self._shares.get(store, (float(self._per_second), now))
        share = min(share + (now - since) * self._per_second, self._per_second)
        if share < 1:
            closed |= {store, key_store}
            return False
        self._shares[store] = (share - 1, now)
        return True


@contextlib.asynccontextmanager
async def _consuming(bootstrap: str, security: KafkaSecurity) -> Any:
    """A consumer outside any group; its partitions are assigned by the look-ahead."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_wait_ms=_POLL_MS,
        **client_options(security),
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()
