"""Polling while a batch is processed consumes no records, even of partitions assigned meanwhile."""

from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from libs.messaging.consumer import BatchConsumer

ASSIGNED, NEW = TopicPartition("t", 0), TopicPartition("t", 1)


class FakeConsumer:
    """A consumer that is assigned a partition between `pause` and `getmany`."""

    def __init__(self) -> None:
        self.paused: set[TopicPartition] = set()
        self.offsets: dict[TopicPartition, int] = {}

    def assignment(self) -> set[TopicPartition]:
        return {ASSIGNED}

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    async def getmany(self, *, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        self.offsets[NEW] = 9
        return {NEW: [SimpleNamespace(offset=7), SimpleNamespace(offset=8)]}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.offsets[partition] = offset


async def test_records_of_a_partition_that_was_assigned_meanwhile_are_fetched_again() -> None:
    fake = FakeConsumer()
    consumer: BatchConsumer[Any] = BatchConsumer(
        topics=("t",),
        group="g",
        service="s",
        read=str,
        handle=None,  # type: ignore[arg-type]
        producer=None,
    )
    consumer._subscriber = SimpleNamespace(consumer=fake)
    await consumer._poll_paused()
    assert fake.offsets[NEW] == 7
    assert fake.paused == {ASSIGNED, NEW}
