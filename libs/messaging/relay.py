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

from libs.background.backoff import delays
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.cloudevents import headers_of
from libs.messaging.outbox import EncodedEvent, unpack
from libs.messaging.producer import producing
from libs.observability import logging, metrics
from libs.persistence.errors import is_transient

# The first key of the two-part advisory lock, apart from those of other purposes.
_LOCK_SPACE: Final = 2

# Rows hold up to a thousand events each; a few keep the broker busy without filling memory.
_ROWS: Final = 20
# How late an event may be that another process wrote; our own wake us.
_POLL_SECONDS: Final = 0.5
# What is written within so short a time goes together: a round costs the store and the broker more
# than its events do.
_PACE_SECONDS: Final = 0.02
# How often a relay without the lock looks whether the holder is gone.
_STANDBY_SECONDS: Final = 1.0

_CONNECTING: Final = "the relay is connecting"

_LOCK: Final = "SELECT pg_try_advisory_lock($1, $2)"
_TAKE: Final = """
SELECT id, payload, extract(epoch FROM now() - created_at)::float8 AS age
FROM outbox WHERE lane = $1 ORDER BY id LIMIT $2
"""
_REMOVE: Final = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"

log = logging.get(__name__)

Partition = tuple[str, int]


class Relay:
    """Publishes one lane of the outbox at `url` to the Kafka at `bootstrap`, while `run` runs."""

    def __init__(
        self, url: str, bootstrap: str, *, lane: int = 0, security: KafkaSecurity = PLAINTEXT
    ) -> None:
        self._url = url
        self._bootstrap = bootstrap
        self._security = security
        self._lane = lane
        self._wake = asyncio.Event()
        self._trouble: str | None = _CONNECTING
        self._delays = delays()

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._wake.set()

    async def ready(self) -> None:
        """Raise while the relay cannot reach its store or Kafka."""
        if self._trouble is not None:
            raise ConnectionError(self._trouble)

    async def run(self) -> None:
        """Relay until cancelled. A store or broker that is away is waited for; so is whoever mends
        what else fails: nothing but being cancelled may end this.

        The producer is made anew after a failure of its own, so that it cannot stay broken.
        """
        while True:
            try:
                async with producing(self._bootstrap, security=self._security) as producer:
                    await self._relay_with(producer)
            except Exception as error:  # noqa: BLE001  an ended relay would be silent
                await self._wait(error)

    async def _relay_with(self, producer: AIOKafkaProducer) -> None:
        """Relay until Kafka fails. Raises KafkaError."""
        while True:
            try:
                async with _session(self._url) as connection:
                    await self._hold_lane(connection)
                    await self._relay(connection, producer)
            except KafkaError:
                raise
            except Exception as error:  # noqa: BLE001  an ended relay would be silent
                await self._wait(error)

    async def _wait(self, error: Exception) -> None:
        if not isinstance(error, KafkaError) and not is_transient(error):
            log.error("relay_fault", lane=self._lane, exc_info=error)
        elif self._trouble in {None, _CONNECTING}:
            log.warning("relay_waits", lane=self._lane, error=repr(error))
        if self._trouble is None:
            self._delays = delays()
        self._trouble = f"events are not published: {error!r}"
        await asyncio.sleep(next(self._delays))

    async def _hold_lane(self, connection: "asyncpg.Connection[Any]") -> None:
        while not await connection.fetchval(_LOCK, _LOCK_SPACE, self._lane):
            self._trouble = None
            await asyncio.sleep(_STANDBY_SECONDS)

    async def _relay(
        self, connection: "asyncpg.Connection[Any]", producer: AIOKafkaProducer
    ) -> None:
        while True:
            self._wake.clear()
            rows = await connection.fetch(_TAKE, self._lane, _ROWS)
            metrics.OUTBOX_ROWS.set(len(rows))
            metrics.OUTBOX_AGE.set(rows[0]["age"] if rows else 0.0)
            if rows:
                events = [event for row in rows for event in unpack(row["payload"])]
                await _publish(producer, events)
                await connection.execute(_REMOVE, [row["id"] for row in rows])
            self._trouble = None
            if len(rows) < _ROWS:
                if rows:
                    await asyncio.sleep(_PACE_SECONDS)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._wake.wait()


async def _publish(producer: AIOKafkaProducer, events: Sequence[EncodedEvent]) -> None:
    queues: dict[Partition, list[EncodedEvent]] = {}
    for event in events:
        queues.setdefault(await _partition(producer, event), []).append(event)
    # All are waited for, also after a failure: nothing of ours may be on its way when the rows
    # are taken again.
    outcomes = await asyncio.gather(
        *(_publish_to(producer, place, queue) for place, queue in queues.items()),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
    for (topic, _), queue in queues.items():
        metrics.RELAY_PUBLISHED.labels(topic).inc(len(queue))


async def _partition(producer: AIOKafkaProducer, event: EncodedEvent) -> Partition:
    """The partition that every client's default partitioner chooses for the key."""
    partitions = await producer.partitions_for(event.topic)
    return event.topic, (murmur2(event.key) & 0x7FFFFFFF) % len(partitions)


async def _publish_to(
    producer: AIOKafkaProducer, place: Partition, events: Sequence[EncodedEvent]
) -> None:
    topic, partition = place
    batch = producer.create_batch()
    for event in events:
        if not _append(batch, event):
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            assert _append(batch, event), f"{event.id} is larger than a whole batch"
    await (await producer.send_batch(batch, topic, partition=partition))


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
