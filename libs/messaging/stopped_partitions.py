"""Partitions whose records all fail: each is retried with increasing delays."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from aiokafka import TopicPartition
from msgspec import Struct

from libs.background.backoff import delays
from libs.observability import logging

log = logging.get(__name__)


class _Stopped(Struct):
    """Why a partition is stopped, its delays, and the timer of the current one; None while it is
    retried."""

    reason: str
    delays: Iterator[float]
    timer: asyncio.TimerHandle | None = None


class StoppedPartitions:
    """The stopped partitions of a consumer. `resume` is called when the retry of one is due; it
    counts as stopped until it is released."""

    def __init__(
        self,
        *,
        first_seconds: float,
        longest_seconds: float,
        resume: Callable[[TopicPartition], None],
    ) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._resume = resume
        self._stopped: dict[TopicPartition, _Stopped] = {}

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter(self._stopped)

    def reasons(self) -> list[str]:
        """Why each partition is stopped."""
        return [
            f"{name_of(partition)} is stopped: {stopped.reason}"
            for partition, stopped in self._stopped.items()
        ]

    def waiting(self) -> set[TopicPartition]:
        """The partitions whose retry is not due yet."""
        return {
            partition for partition, stopped in self._stopped.items() if stopped.timer is not None
        }

    def stop(self, partition: TopicPartition, reason: str) -> None:
        """Schedule the next retry of the partition, later than the last one."""
        stopped = self._stopped.get(partition)
        if stopped is None:
            retry_delays = delays(first=self._first_seconds, longest=self._longest_seconds)
            stopped = self._stopped[partition] = _Stopped(reason, retry_delays)
        stopped.reason = reason
        delay = next(stopped.delays)
        log.critical(
            "partition_stopped", partition=name_of(partition), reason=reason, retry_seconds=delay
        )
        stopped.timer = asyncio.get_running_loop().call_later(delay, self._retry, partition)

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget partitions that are processed again or are now assigned to another member."""
        for partition in partitions:
            stopped = self._stopped.pop(partition, None)
            if stopped is not None:
                if stopped.timer is not None:
                    stopped.timer.cancel()
                log.warning("partition_resumed", partition=name_of(partition))

    def _retry(self, partition: TopicPartition) -> None:
        if partition in self._stopped:
            self._stopped[partition].timer = None
        self._resume(partition)


def name_of(partition: TopicPartition) -> str:
    """`topic:partition`."""
    return f"{partition.topic}:{partition.partition}"
