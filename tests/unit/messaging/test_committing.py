"""Offsets are committed for assigned partitions only, the lag is measured, and nothing keeps the records."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from structlog.testing import capture_logs

from libs.messaging.consumer import BatchConsumer
from libs.observability import metrics

ASSIGNED, REVOKED = TopicPartition("orders", 0), TopicPartition("orders", 1)
GROUP = "test.committing"


class FakeKafka:
    """A member with the partition ASSIGNED, which has polled the offset 3; its end offset is 10."""

    def __init__(self, subscriber: SimpleNamespace, *, stops: bool = False) -> None:
        self.committed: dict[TopicPartition, int] = {}
        self._subscriber = subscriber
        self._stops = stops
        self._commit_task: asyncio.Task[None] | None = None
        subscriber.consumer = self

    def assignment(self) -> set[TopicPartition]:
        return {ASSIGNED}

    def paused(self) -> set[TopicPartition]:
        return set()

    def resume(self, *partitions: TopicPartition) -> None:
        pass

    def highwater(self, _partition: TopicPartition) -> int:
        return 10

    async def position(self, _partition: TopicPartition) -> int:
        return 4

    def start_commit(self, commit: Coroutine[Any, Any, None]) -> None:
        self._commit_task = asyncio.create_task(commit)

    async def end_commit(self) -> None:
        if self._commit_task is not None:
            await self._commit_task

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed |= offsets
        if self._stops:
            self._subscriber.consumer = None


async def consume(
    *partitions: TopicPartition, stops: bool = False, during: Callable[[], object] = object
) -> FakeKafka:
    """Deliver the record with offset 3 of each of `partitions`; the handler calls `during`."""

    async def handle(batch: Any) -> list[None]:
        during()
        return [None] * len(batch)

    consumer: BatchConsumer[Any] = BatchConsumer(
        topics=("orders",),
        group=GROUP,
        service="test",
        read=lambda record: record,
        handle=handle,
        producer=None,
    )
    consumer._subscriber = SimpleNamespace()
    kafka = FakeKafka(consumer._subscriber, stops=stops)
    await consumer.consume(
        [
            SimpleNamespace(
                topic=partition.topic, partition=partition.partition, offset=3, value=b"x"
            )
            for partition in partitions
        ]
    )
    await kafka.end_commit()
    return kafka


async def test_the_offset_after_the_last_record_is_committed() -> None:
    assert (await consume(ASSIGNED)).committed == {ASSIGNED: 4}


async def test_the_offset_of_a_revoked_partition_is_not_committed() -> None:
    assert (await consume(ASSIGNED, REVOKED)).committed == {ASSIGNED: 4}


async def test_the_lag_counts_the_records_up_to_the_end_of_the_partition() -> None:
    await consume(ASSIGNED)
    assert metrics.CONSUMER_LAG.labels("orders", GROUP)._value.get() == 6


async def test_a_consumer_that_is_stopped_during_the_commit_reports_no_failure() -> None:
    with capture_logs() as logs:
        kafka = await consume(ASSIGNED, stops=True)
    assert kafka.committed == {ASSIGNED: 4}
    assert logs == []


async def test_what_starts_during_a_batch_does_not_keep_its_records() -> None:
    """FastStream sets a variable to the batch: any timer or task that starts then has a copy of it."""
    message: ContextVar[str] = ContextVar("message", default="")
    message.set("the records")
    seen: list[str] = []
    await consume(ASSIGNED, during=lambda: seen.append(message.get()))
    assert seen == [""]
