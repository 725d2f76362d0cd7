"""The relay: publishes the outbox in order, at least once, and removes what it published.

One relay per lane, whatever the number of processes: the one that holds the lane's advisory lock.
Rows are taken by the order of their ids, never from a position: ids commit out of order, and a row
that shows up late must not be passed over. Within a partition one batch follows the other only
after the broker has the first, so that a failure cannot reorder a customer's events.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from libs.messaging.backoff import delays
from libs.messaging.cloudevents import headers_of
from libs.messaging.outbox import EncodedEvent, unpack
from libs.observability import logging, metrics
from libs.persistence.errors import is_transient

# The first key of the two-part advisory lock, apart from those of other purposes.
_LOCK_SPACE: Final = 2

# Rows hold up to a thousand events each; a few keep the broker busy without filling memory.
_ROWS: Final = 20
# How late an event may be that another process wrote; our own wake us at once.
_POLL_SECONDS: Final = 0.05
# How often a relay without the lock looks whether the holder is gone.
_STANDBY_SECONDS: Final = 1.0

_LOCK: Final = "SELECT pg_try_advisory_lock($1, $2)"
_TAKE: Final = """
SELECT id, payload, extract(epoch FROM now() - created_at)::float8 AS age
FROM outbox WHERE lane = $1 ORDER BY id LIMIT $2
"""
_REMOVE: Final = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"

log = logging.get(__name__)

Partition = tuple[str, int]


class Relay:
    """Publishes one lane of the outbox at `url` with `producer`, while `run` runs."""

    def __init__(self, url: str, producer: AIOKafkaProducer, *, lane: int = 0) -> None:
        self._url = url
        self._producer = producer
        self._lane = lane
        self._wake = asyncio.Event()
        self._trouble: str | None = None

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._wake.set()

    async def ready(self) -> None:
        """Raise while the relay cannot reach its store or Kafka."""
        if self._trouble is not None:
            raise ConnectionError(self._trouble)

    async def run(self) -> None:
        """Relay until cancelled. A store or broker that is away is waited for."""
        waiting = delays()
        while True:
            try:
                async with _session(self._url) as connection:
                    await self._hold_lane(connection)
                    waiting = delays()
                    await self._relay(connection)
            except (KafkaError, asyncpg.PostgresError, OSError, asyncpg.InterfaceError) as error:
                if not isinstance(error, KafkaError) and not is_transient(error):
                    log.exception("relay_fault", lane=self._lane)
                elif self._trouble is None:
                    log.warning("relay_waits", lane=self._lane, error=repr(error))
                self._trouble = f"events are not published: {error!r}"
                await asyncio.sleep(next(waiting))

    async def _hold_lane(self, connection: "asyncpg.Connection[Any]") -> None:
        while not await connection.fetchval(_LOCK, _LOCK_SPACE, self._lane):
            self._trouble = None
            await asyncio.sleep(_STANDBY_SECONDS)

    async def _relay(self, connection: "asyncpg.Connection[Any]") -> None:
        while True:
            self._wake.clear()
            rows = await connection.fetch(_TAKE, self._lane, _ROWS)
            metrics.OUTBOX_ROWS.set(len(rows))
            metrics.OUTBOX_AGE.set(rows[0]["age"] if rows else 0.0)
            if rows:
                await self._publish([event for row in rows for event in unpack(row["payload"])])
                await connection.execute(_REMOVE, [row["id"] for row in rows])
            self._trouble = None
            if len(rows) < _ROWS:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._wake.wait()

    async def _publish(self, events: Sequence[EncodedEvent]) -> None:
        queues: dict[Partition, list[EncodedEvent]] = {}
        for event in events:
            queues.setdefault(await self._partition(event), []).append(event)
        # All are waited for, also after a failure: nothing of ours may be on its way when the rows
        # are taken again.
        outcomes = await asyncio.gather(
            *(self._publish_to(place, queue) for place, queue in queues.items()),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        for (topic, _), queue in queues.items():
            metrics.RELAY_PUBLISHED.labels(topic).inc(len(queue))

    async def _partition(self, event: EncodedEvent) -> Partition:
        """The partition that every client's default partitioner chooses for the key."""
        partitions = await self._producer.partitions_for(event.topic)
        return event.topic, (murmur2(event.key) & 0x7FFFFFFF) % len(partitions)

    async def _publish_to(self, place: Partition, events: Sequence[EncodedEvent]) -> None:
        topic, partition = place
        batch = self._producer.create_batch()
        for event in events:
            if not self._append(batch, event):
                await (await self._producer.send_batch(batch, topic, partition=partition))
                batch = self._producer.create_batch()
                assert self._append(batch, event), f"{event.id} is larger than a whole batch"
        await (await self._producer.send_batch(batch, topic, partition=partition))

    @staticmethod
    def _append(batch: Any, event: EncodedEvent) -> bool:
        appended = batch.append(
            key=event.key, value=event.value, timestamp=None, headers=headers_of(event)
        )
        return appended is not None


@contextlib.asynccontextmanager
async def _session(url: str) -> Any:
    """A connection of the relay's own: the lane's lock lives and dies with it."""
    connection = await asyncpg.connect(
        url,
        timeout=5,
        command_timeout=30,
        server_settings={"application_name": "relay", "jit": "off"},
    )
    try:
        yield connection
    finally:
        connection.terminate()
