"""Readiness detects a consumer that is silent, and does not mistake work or a pause for silence."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from libs.messaging.consumer import BatchConsumer, NotReady

LONG_AGO_SECONDS = 3_600
FIRST, SECOND = TopicPartition("orders", 0), TopicPartition("orders", 1)


class FakeKafka:
    """A member with two partitions; the times are in seconds ago, None is never."""

    def __init__(
        self,
        *,
        polled: float = 0,
        fetched: dict[TopicPartition, float | None] | None = None,
        paused: tuple[TopicPartition, ...] = (),
    ) -> None:
        self.polled_at = time.monotonic() - polled
        self._fetched = {FIRST: 0.0, SECOND: 0.0} | (fetched or {})
        self._paused = set(paused)

    def assignment(self) -> set[TopicPartition]:
        return {FIRST, SECOND}

    def paused(self) -> set[TopicPartition]:
        return self._paused

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0, 1}

    def last_poll_timestamp(self, partition: TopicPartition) -> float | None:
        seconds = self._fetched[partition]
        return None if seconds is None else (time.time() - seconds) * 1_000


async def reason(kafka: FakeKafka, *, batch_seconds: float | None = None) -> str:
    """Why the consumer is not ready; empty if it is. A batch is in progress for `batch_seconds`."""
    consumer: BatchConsumer[Any] = BatchConsumer(
        topics=("orders",),
        group="earning",
        service="earning",
        read=str,
        handle=None,
        producer=None,  # type: ignore[arg-type]
    )
    consumer._subscriber = SimpleNamespace(consumer=kafka)
    if batch_seconds is not None:
        consumer._watchdog._batch_started_at = time.monotonic() - batch_seconds
    try:
        await consumer.ready()
    except NotReady as not_ready:
        return str(not_ready)
    return ""


async def test_a_consumer_that_polls_and_fetches_is_ready() -> None:
    assert await reason(FakeKafka()) == ""


async def test_a_batch_over_its_time_limit_is_reported() -> None:
    assert "a batch has taken 3600 s" in await reason(FakeKafka(), batch_seconds=LONG_AGO_SECONDS)


async def test_a_batch_in_progress_is_not_silence() -> None:
    kafka = FakeKafka(polled=LONG_AGO_SECONDS, fetched={FIRST: LONG_AGO_SECONDS})
    assert await reason(kafka, batch_seconds=1) == ""


async def test_a_poll_that_does_not_complete_is_reported() -> None:
    kafka = FakeKafka(polled=LONG_AGO_SECONDS)
    assert "no poll has completed for 3600 s" in await reason(kafka)


async def test_a_partition_without_a_fetch_is_reported_by_name() -> None:
    assert "orders:1" in await reason(FakeKafka(fetched={SECOND: LONG_AGO_SECONDS}))


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"fetched": {SECOND: None}}, id="assigned a moment ago"),
        pytest.param({"fetched": {SECOND: LONG_AGO_SECONDS}, "paused": (SECOND,)}, id="paused"),
    ],
)
async def test_a_partition_that_is_not_fetched_on_purpose_is_not_reported(
    state: dict[str, Any],
) -> None:
    assert await reason(FakeKafka(**state)) == ""
