"""The watchdog reports a consumer that makes no progress, and does not mistake work or a pause for it."""

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from libs.messaging import watchdog
from libs.messaging.watchdog import Watchdog

LONG_SECONDS = 3_600
FIRST, SECOND = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Clock:
    """A clock that the test moves, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def read(self) -> float:
        return self.now


class FakeConsumer:
    """A member with two partitions that has just polled and fetched both."""

    def __init__(self, now: float) -> None:
        self.polled_at = now
        self.fetched_at: dict[TopicPartition, float | None] = {FIRST: now, SECOND: now}
        self.paused_partitions: set[TopicPartition] = set()

    def assignment(self) -> set[TopicPartition]:
        return {FIRST, SECOND}

    def paused(self) -> set[TopicPartition]:
        return self.paused_partitions

    def last_poll_timestamp(self, partition: TopicPartition) -> float | None:
        seconds = self.fetched_at[partition]
        return None if seconds is None else seconds * 1_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=clock.read, time=clock.read))
    return clock


@pytest.fixture
def consumer(clock: Clock) -> FakeConsumer:
    return FakeConsumer(clock.now)


def test_a_consumer_that_polls_and_fetches_makes_progress(consumer: FakeConsumer) -> None:
    assert Watchdog().reason(consumer) is None


def test_a_batch_over_its_time_limit_is_reported(clock: Clock, consumer: FakeConsumer) -> None:
    dog = Watchdog()
    with dog.batch():
        clock.now += LONG_SECONDS
        assert dog.reason(consumer) == "a batch has taken 3600 s"


def test_a_batch_within_its_time_limit_is_progress(clock: Clock, consumer: FakeConsumer) -> None:
    """Although no poll and no fetch has completed for a long time."""
    clock.now += LONG_SECONDS
    dog = Watchdog()
    with dog.batch():
        assert dog.reason(consumer) is None


def test_a_batch_that_ended_or_failed_is_not_in_progress(
    clock: Clock, consumer: FakeConsumer
) -> None:
    dog = Watchdog()
    with pytest.raises(RuntimeError), dog.batch():
        raise RuntimeError
    clock.now += LONG_SECONDS
    assert dog.reason(consumer) == "no poll has completed for 3600 s"


def test_a_partition_without_a_fetch_is_reported_by_name(
    clock: Clock, consumer: FakeConsumer
) -> None:
    consumer.fetched_at[SECOND] = clock.now - LONG_SECONDS
    assert "a fetch of orders:1" in str(Watchdog().reason(consumer))


def test_a_paused_partition_is_not_fetched_on_purpose(clock: Clock, consumer: FakeConsumer) -> None:
    consumer.fetched_at[SECOND] = clock.now - LONG_SECONDS
    consumer.paused_partitions = {SECOND}
    assert Watchdog().reason(consumer) is None


def test_a_partition_that_was_just_assigned_has_no_fetch_yet(consumer: FakeConsumer) -> None:
    consumer.fetched_at[SECOND] = None
    assert Watchdog().reason(consumer) is None
