"""FastStream's broker, without its own producer, topic creation and logs."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream.kafka import KafkaBroker

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import fetching
from libs.messaging.broker_security import broker_security
from libs.messaging.consumer import BatchConsumer

# Below errors, the consumers' own logs say more than FastStream's.
_logger = logging.getLogger("libs.messaging.faststream")
_logger.setLevel(logging.ERROR)

# How long a poll of a quiet topic waits; it returns immediately once there is a record.
_POLL_MS = 2_500


class WatchedConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """Waits longer for records, and records when the last poll completed, from which readiness
    detects a loop that has stopped.

    FastStream sleeps after an empty poll for as long as the poll itself waited. With a long wait
    this would delay records that arrive during the sleep; with a short wait an idle process would
    poll all the time. So the wait is set here, and the sleep by FastStream's setting.
    """

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        self.polled_at = time.monotonic()
        self._committed: dict[TopicPartition, int] = {}
        # A commit that runs while the next batch is delivered.
        self._commit_task: asyncio.Task[None] | None = None

    async def getmany(self, *partitions: Any, timeout_ms: int = 0, **options: Any) -> Any:
        """Poll as aiokafka does, but wait longer unless `timeout_ms` is 0. A poll that raises does
        not count as completed."""
        wait = _POLL_MS if timeout_ms else 0
        records = await super().getmany(*partitions, timeout_ms=wait, **options)
        self.polled_at = time.monotonic()
        if wait and not records:
            await self._commit_markers()
        return records

    async def commit(self, offsets: Any = None) -> None:
        """Commit as aiokafka does."""
        await super().commit(offsets)
        self._committed |= offsets or {}

    def start_commit(self, commit: Coroutine[Any, Any, None]) -> None:
        """Run `commit` without waiting for it. The one before must have ended."""
        self._commit_task = asyncio.create_task(commit)

    async def end_commit(self) -> None:
        """Wait for the commit that was started; raises its error."""
        task, self._commit_task = self._commit_task, None
        if task is not None:
            await task

    async def stop(self) -> None:
        """Stop as aiokafka does, but let a commit end: the next member would get its records again."""
        try:
            await self.end_commit()
        finally:
            await super().stop()

    async def _commit_markers(self) -> None:
        """Commit offsets that hold no record: the marker at the end of a transaction would count as
        a lag of one until the next record. All records before it have been delivered."""
        next_offsets = {}
        for partition in self.assignment():
            if partition not in self._committed:
                self._committed[partition] = await self.committed(partition) or 0
            offset = await self.position(partition)
            if 0 < self._committed[partition] < offset:
                next_offsets[partition] = offset
        if next_offsets:
            await self.commit(next_offsets)


class _Broker(KafkaBroker):
    """Creates WatchedConsumers; FastStream has no setting for that."""

    async def _connect(self) -> Callable[..., AIOKafkaConsumer]:
        builder = await super()._connect()
        assert isinstance(builder, partial)
        watched = partial(WatchedConsumer, **builder.keywords)
        self.config.broker_config.builder = watched
        return watched


def create_broker(
    bootstrap: str,
    consumers: list[BatchConsumer[object]],
    *,
    security: KafkaSecurity = PLAINTEXT,
) -> KafkaBroker:
    """Create a broker that starts and stops `consumers`, its subscribers."""
    fetching.install()
    broker = _Broker(
        bootstrap.split(","),
        security=broker_security(security),
        apply_types=False,
        # Nothing uses FastStream's producer and admin client.
        consumer_only=True,
        allow_auto_create_topics=False,
        # The time until a topic that was deleted and created again is consumed.
        metadata_max_age_ms=10_000,
        logger=_logger,
        graceful_timeout=10.0,
    )
    for consumer in consumers:
        consumer.register(broker)
    return broker
