"""Polling goes on while a batch waits, and takes nothing, whatever partitions come meanwhile."""

from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from libs.messaging.consumer import BatchConsumer

OURS, NEW = TopicPartition("t", 0), TopicPartition("t", 1)


class FakeConsumer:
    """A consumer that is given a partition between being paused and being polled."""

    def __init__(self) -> None:
        self.paused_ones: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}

    def assignment(self) -> set[TopicPartition]:
        return {OURS}

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused_ones |= set(partitions)

    async def getmany(self, *, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        self.positions[NEW] = 9
        return {NEW: [SimpleNamespace(offset=7), SimpleNamespace(offset=8)]}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset


async def test_records_of_a_partition_that_came_meanwhile_are_put_back() -> None:
    fake = FakeConsumer()
    consumer: BatchConsumer[Any] = BatchConsumer(
        topics=("t",),
        group="g",
        service="s",
        read=str,
        handle=None,
        producer=None,  # type: ignore[arg-type]
    )
    consumer._subscriber = SimpleNamespace(consumer=fake)
    await consumer._poll_paused()
    assert fake.positions[NEW] == 7
    assert fake.paused_ones == {OURS, NEW}
