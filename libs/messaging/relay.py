"""The relay: publishes the outbox in order, at least once, and removes the published rows.

The outbox of a service is divided into lanes. Each lane has exactly one active relay, no matter how
many processes run: the one that holds the lane's advisory lock. Rows are read in the order of
their ids, never from a saved offset: transactions do not commit in the order of their ids, and a row
that commits late must not be skipped. Within a partition, a batch is sent only after the broker has
acknowledged the previous batch, so that a failure cannot reorder a customer's events.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from libs.background.backoff import delays
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import spans
from libs.messaging.cloudevents import headers_of
from libs.messaging.outbox import EncodedEvent, unpack
from libs.messaging.producer import producing
from libs.observability import logging, metrics
from libs.persistence.errors import is_transient

# The first key of the two-part advisory lock; locks for other purposes use other numbers.
_LOCK_SPACE: Final = 2

# A round has up to this many rows, and stops at this many events: some 700 bytes of memory each. A row
# holds up to two thousand.
_MAX_ROWS: Final = 20
_MAX_EVENTS: Final = 8_000
# This many events take about 1 ms to process; after that many, the event loop can serve requests.
_EVENTS_BETWEEN_REQUESTS: Final = 100
# How often the relay looks for new rows unprompted: events that another process wrote wait up to this
# long. Events written by this process wake the relay.
_POLL_SECONDS: Final = 0.5
# Events written within this time are published together: a round trip costs the database and the
# broker more than the events in it.
_COALESCE_SECONDS: Final = 0.02
# How often a relay without the lock checks whether the lock is free.
_STANDBY_SECONDS: Final = 1.0

_CONNECTING: Final = "the relay is connecting"

_LOCK: Final = "SELECT pg_try_advisory_lock($1, $2)"
_SELECT_ROWS: Final = """
SELECT id, payload, events, extract(epoch FROM now() - created_at)::float8 AS age
FROM outbox WHERE lane = $1 ORDER BY id LIMIT $2
"""
_DELETE_ROWS: Final = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"

log = logging.get(__name__)


class Relay:
    """Publishes one lane of the outbox in the database at `url` to the Kafka cluster at `bootstrap`,
    for as long as `run` is running. `unpack` returns the events of a row's payload."""

    def __init__(
        self,
        url: str,
        bootstrap: str,
        *,
        lane: int = 0,
        unpack: Callable[[bytes], list[EncodedEvent]] = unpack,
        security: KafkaSecurity = PLAINTEXT,
    ) -> None:
        self._url = url
        self._bootstrap = bootstrap
        self._security = security
        self._lane = lane
        self._unpack = unpack
        self._wake = asyncio.Event()
        self._not_ready_reason: str | None = _CONNECTING
        self._delays = delays()
        # No event that waits is older than this; None while another process publishes the lane.
        self._published_until: float | None = None

    def wake(self) -> None:
        """Signal that the outbox has new rows."""
        self._wake.set()

    async def ready(self) -> None:
        """Raise ConnectionError while events are not published, with the reason."""
        if self._not_ready_reason is not None:
            raise ConnectionError(self._not_ready_reason)

    async def run(self) -> None:
        """Relay until cancelled; no failure ends it.

        While the database or the broker is unavailable, it retries. Any other failure is logged as
        an error and retried until it is fixed. The producer is created again after every Kafka
        error, so that it cannot stay broken.
        """
        self._published_until = time.monotonic()
        metrics.OUTBOX_AGE.set_function(self._age_seconds)
        while True:
            try:
                async with producing(self._bootstrap, security=self._security) as producer:
                    await self._relay_with(producer)
            except Exception as error:  # noqa: BLE001  a relay task that ended would go unnoticed
                await self._back_off(error)

    async def _relay_with(self, producer: AIOKafkaProducer) -> None:
        """Relay until Kafka fails. Raises KafkaError."""
        while True:
            try:
                async with _session(self._url) as connection:
                    await self._hold_lane(connection)
                    await self._relay(connection, producer)
            except KafkaError:
                raise
            except Exception as error:  # noqa: BLE001  a relay task that ended would go unnoticed
                await self._back_off(error)

    def _age_seconds(self) -> float:
        """For how long at most the oldest event has been waiting. Computed when it is read, since the
        outbox cannot be read while the relay fails."""
        until = self._published_until
        return 0.0 if until is None else time.monotonic() - until

    async def _back_off(self, error: Exception) -> None:
        if not isinstance(error, KafkaError) and not is_transient(error):
            log.error("relay_failed", lane=self._lane, exc_info=error)
        elif self._not_ready_reason in {None, _CONNECTING}:
            log.warning("relay_retry", lane=self._lane, error=repr(error))
        if self._not_ready_reason is None:
            self._delays = delays()
        self._not_ready_reason = f"events are not published: {error!r}"
        await asyncio.sleep(next(self._delays))

    async def _hold_lane(self, connection: "asyncpg.Connection[Any]") -> None:
        while not await connection.fetchval(_LOCK, _LOCK_SPACE, self._lane):
            self._not_ready_reason = None
            self._published_until = None
            await asyncio.sleep(_STANDBY_SECONDS)

    async def _relay(
        self, connection: "asyncpg.Connection[Any]", producer: AIOKafkaProducer
    ) -> None:
        while True:
            self._wake.clear()
            now = time.monotonic()
            rows = await connection.fetch(_SELECT_ROWS, self._lane, _MAX_ROWS)
            metrics.OUTBOX_ROWS.set(len(rows))
            self._published_until = now - (rows[0]["age"] if rows else 0.0)
            batch = _limit_events(rows)
            if batch:
                events = await self._unpack_all(batch)
                with spans.publishing(events):
                    await _publish(producer, events)
                await connection.execute(_DELETE_ROWS, [row["id"] for row in batch])
            self._not_ready_reason = None
            if len(batch) == len(rows) < _MAX_ROWS:
                if rows:
                    await asyncio.sleep(_COALESCE_SECONDS)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._wake.wait()

    async def _unpack_all(self, rows: Sequence["asyncpg.Record"]) -> list[EncodedEvent]:
        events: list[EncodedEvent] = []
        for row in rows:
            events += self._unpack(row["payload"])
            await asyncio.sleep(0)
        return events


def _limit_events(rows: Sequence["asyncpg.Record"]) -> Sequence["asyncpg.Record"]:
    """The first of `rows`, up to the one with which they have _MAX_EVENTS events."""
    totals = itertools.accumulate(row["events"] for row in rows)
    return rows[
        : 1 + next((n for n, total in enumerate(totals) if total >= _MAX_EVENTS), len(rows))
    ]


async def _publish(producer: AIOKafkaProducer, events: Sequence[EncodedEvent]) -> None:
    queues: dict[TopicPartition, list[EncodedEvent]] = {}
    for number, event in enumerate(events):
        queues.setdefault(await _partition_of(producer, event), []).append(event)
        await _serve_requests(number)
    # Wait for every send, even after one has failed: no event may be in flight when the rows are
    # read again.
    outcomes = await asyncio.gather(
        *(_publish_to(producer, partition, queue) for partition, queue in queues.items()),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
    for (topic, _), queue in queues.items():
        metrics.RELAY_PUBLISHED.labels(topic).inc(len(queue))


async def _partition_of(producer: AIOKafkaProducer, event: EncodedEvent) -> TopicPartition:
    """The partition that the default partitioner of Kafka's own clients (murmur2) picks for the
    event's key. An event without a key may be in any: its value picks one."""
    partitions = await producer.partitions_for(event.topic)
    key = event.value if event.key is None else event.key
    return TopicPartition(event.topic, (murmur2(key) & 0x7FFFFFFF) % len(partitions))


async def _publish_to(
    producer: AIOKafkaProducer, topic_partition: TopicPartition, events: Sequence[EncodedEvent]
) -> None:
    topic, partition = topic_partition
    batch = producer.create_batch()
    for number, event in enumerate(events):
        await _serve_requests(number)
        if not _append(batch, event):
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            assert _append(batch, event), f"{event.id} is larger than a whole batch"
    await (await producer.send_batch(batch, topic, partition=partition))


async def _serve_requests(number: int) -> None:
    """Let the event loop serve requests now and then, given the number of the current event."""
    if number % _EVENTS_BETWEEN_REQUESTS == 0:
        await asyncio.sleep(0)


def _append(batch: Any, event: EncodedEvent) -> bool:
    appended = batch.append(
        key=event.key, value=event.value, timestamp=None, headers=headers_of(event)
    )
    return appended is not None


@contextlib.asynccontextmanager
async def _session(url: str) -> Any:
    """A connection outside the pool: the lane's lock is held until this connection ends."""
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
