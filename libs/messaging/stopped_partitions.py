"""Partitions whose records all fail: each waits, longer each time, and is retried."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from aiokafka import TopicPartition
from msgspec import Struct

from libs.background.backoff import delays
from libs.observability import logging

log = logging.get(__name__)


class _Stopped(Struct):
    """Why a partition is stopped, how long it waits each time, and what ends the present wait."""

    reason: str
    delays: Iterator[float]
    timer: asyncio.TimerHandle | None = None


class StoppedPartitions:
    """The stopped partitions of a consumer; `resume` is called for each when its retry is due. It
    stays in here until `release` says that a batch of it is done."""

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
        """Why each is stopped."""
        return [
            f"{name_of(place)} is stopped: {one.reason}" for place, one in self._stopped.items()
        ]

    def waiting(self) -> set[TopicPartition]:
        """Those whose retry is not due."""
        return {place for place, one in self._stopped.items() if one.timer is not None}

    def stop(self, place: TopicPartition, reason: str) -> None:
        """Have the partition wait, longer than the last time."""
        stopped = self._stopped.get(place)
        if stopped is None:
            waits = delays(first=self._first_seconds, longest=self._longest_seconds)
            stopped = self._stopped[place] = _Stopped(reason, waits)
        stopped.reason = reason
        delay = next(stopped.delays)
        log.critical(
            "partition_stopped", partition=name_of(place), reason=reason, retry_seconds=delay
        )
        stopped.timer = asyncio.get_running_loop().call_later(delay, self._retry, place)

    def release(self, places: Iterable[TopicPartition]) -> None:
        """These are processed again, or another member's by now."""
        for place in places:
            stopped = self._stopped.pop(place, None)
            if stopped is not None:
                if stopped.timer is not None:
                    stopped.timer.cancel()
                log.warning("partition_resumed", partition=name_of(place))

    def _retry(self, place: TopicPartition) -> None:
        if place in self._stopped:
            self._stopped[place].timer = None
        self._resume(place)


def name_of(place: TopicPartition) -> str:
    """`topic:partition`."""
    return f"{place.topic}:{place.partition}"
