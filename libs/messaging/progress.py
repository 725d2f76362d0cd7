"""How far a service's events are: the records that its consumer groups have not processed yet, and the
events in its outbox. Every process of the service reports the same ages, those of the whole service:
Kafka and the database know them, also while no consumer runs."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.groups import GROUPS, Group
from libs.contracts.internal import GroupProgress, MessagingProgress
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import fetching, outbox
from libs.messaging.offsets import next_offset, read_committed
from libs.messaging.security import client_options
from libs.persistence.engine import statement

# Less than the second within which the gateway needs the report.
_READ_SECONDS: Final = 0.8
_REQUEST_MS: Final = 3_000
_FETCH_WAIT_MS: Final = 100
# One record of each partition is read. Kafka returns a whole batch, however small this is.
_FETCH_BYTES: Final = 1_024


class ProgressReader:
    """Reads the progress of `service`. Kafka is connected at the first read, until `stop`.

    `outbox_engine` is None for a service without an outbox. `stopped` returns the groups of which this
    process has stopped a partition.
    """

    def __init__(
        self,
        service: str,
        bootstrap: str,
        *,
        stopped: Callable[[], Collection[str]],
        outbox_engine: AsyncEngine | None,
        security: KafkaSecurity = PLAINTEXT,
    ) -> None:
        self._groups = [
            group for group in GROUPS if group.service == service and group.step is not None
        ]
        self._bootstrap = bootstrap
        self._security = security
        self._stopped = stopped
        self._outbox_engine = outbox_engine
        self._clients: _Clients | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Do nothing: most processes are never asked."""

    async def stop(self) -> None:
        async with self._lock:
            await self._disconnect()

    async def read(self) -> MessagingProgress:
        """The present progress; what cannot be read in time is None."""
        groups, unpublished = await asyncio.gather(
            self._in_time(self._read_groups), self._in_time(self._read_outbox)
        )
        return MessagingProgress(groups=groups, unpublished_seconds=unpublished)

    async def _in_time(self, read: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                return await read()
        except (KafkaError, SQLAlchemyError, OSError, TimeoutError):
            return None

    async def _read_outbox(self) -> float:
        if self._outbox_engine is None:
            return 0.0
        async with statement(self._outbox_engine) as connection:
            return await outbox.read_age(connection)

    async def _read_groups(self) -> list[GroupProgress]:
        async with self._lock:
            try:
                clients = self._clients or await self._connect()
                partitions = await _find_partitions(clients.admin, self._groups)
                stopped = self._stopped()
                return [
                    GroupProgress(
                        name=group.name,
                        seconds_behind=await _find_age(clients, group, partitions),
                        stopped=group.name in stopped,
                    )
                    for group in self._groups
                ]
            except BaseException:
                # A read that ends early leaves its clients in the middle of a request.
                await self._disconnect()
                raise

    async def _connect(self) -> "_Clients":
        fetching.install()
        self._clients = _Clients(
            AIOKafkaAdminClient(
                bootstrap_servers=self._bootstrap,
                request_timeout_ms=_REQUEST_MS,
                **client_options(self._security),
            ),
            AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                request_timeout_ms=_REQUEST_MS,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=_FETCH_WAIT_MS,
                max_partition_fetch_bytes=_FETCH_BYTES,
                **client_options(self._security),
            ),
        )
        await self._clients.admin.start()
        await self._clients.consumer.start()
        return self._clients

    async def _disconnect(self) -> None:
        clients, self._clients = self._clients, None
        if clients is not None:
            with contextlib.suppress(Exception):
                await clients.consumer.stop()
            with contextlib.suppress(Exception):
                await clients.admin.close()


class _Clients(NamedTuple):
    """An admin client, and a consumer outside of any group, without partitions between reads."""

    admin: AIOKafkaAdminClient
    consumer: AIOKafkaConsumer


async def _find_partitions(
    admin: AIOKafkaAdminClient, groups: Sequence[Group]
) -> list[TopicPartition]:
    """The partitions of the topics that exist."""
    topics = sorted({topic for group in groups for topic in group.topics})
    return [
        TopicPartition(description["topic"], partition["partition"])
        for description in await admin.describe_topics(topics)
        for partition in description["partitions"]
    ]


async def _find_age(clients: _Clients, group: Group, partitions: Sequence[TopicPartition]) -> float:
    """How many seconds ago Kafka stored the oldest record that the group has not committed; 0 if it has
    committed all."""
    own = [partition for partition in partitions if partition.topic in group.topics]
    committed = await read_committed(clients.admin, group.name)
    begins = await clients.consumer.beginning_offsets(own)
    ends = await clients.consumer.end_offsets(own)
    starts = {
        partition: start
        for partition in own
        if (start := next_offset(begins[partition], ends[partition], committed.get(partition)))
        < ends[partition]
    }
    if not starts:
        return 0.0
    oldest = await _read_oldest(clients.consumer, starts, ends)
    return 0.0 if oldest is None else max(time.time() - oldest, 0.0)


async def _read_oldest(
    consumer: AIOKafkaConsumer,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> float | None:
    """The time of the oldest record from these offsets on, in seconds since 1970; None if only markers of
    transactions are left. All topics have the time at which Kafka stored a record."""
    times: list[float] = []
    consumer.assign(list(starts))
    try:
        for partition, start in starts.items():
            consumer.seek(partition, start)
        unread = set(starts)
        while unread:
            records = await consumer.getmany(*unread, timeout_ms=_FETCH_WAIT_MS)
            times += [batch[0].timestamp / 1_000 for batch in records.values() if batch]
            unread -= {partition for partition, batch in records.items() if batch}
            unread -= {
                partition
                for partition in unread
                if await consumer.position(partition) >= ends[partition]
            }
    finally:
        # Or it would fetch on and on.
        consumer.unsubscribe()
    return min(times, default=None)
