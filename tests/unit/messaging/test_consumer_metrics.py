"""A consumer's metrics are true also while no batch ends: its readiness, its lag, its dead letters."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from prometheus_client import REGISTRY

from libs.messaging.consumer import BatchConsumer, Policy
from libs.messaging.runtime import Messaging
from libs.testing.eventually import eventually

TOPIC = "test.metrics.orders"
PARTITION = TopicPartition(TOPIC, 0)


class FakeKafka:
    """A member with one partition, whose next fetch begins at offset 4 and whose end offset is 10."""

    def __init__(self) -> None:
        self.polled_at = time.monotonic()
        self.assigned = {PARTITION}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}

    def last_poll_timestamp(self, _partition: TopicPartition) -> float:
        return time.time() * 1_000

    def paused(self) -> set[TopicPartition]:
        return set()

    def pause(self, *_partitions: TopicPartition) -> None:
        pass

    def resume(self, *_partitions: TopicPartition) -> None:
        pass

    def highwater(self, _partition: TopicPartition) -> int:
        return 10

    async def position(self, _partition: TopicPartition) -> int:
        return 4

    async def commit(self, _offsets: dict[TopicPartition, int]) -> None:
        pass


def build(group: str, handle: Any) -> tuple[BatchConsumer[Any], FakeKafka]:
    consumer: BatchConsumer[Any] = BatchConsumer(
        topics=(TOPIC,),
        group=group,
        service="test",
        read=lambda record: record,
        handle=handle,
        producer=None,
        policy=Policy(longest_delay_seconds=0.01),
    )
    kafka = FakeKafka()
    consumer._subscriber = SimpleNamespace(consumer=kafka)
    return consumer, kafka


async def applied(batch: Any) -> list[None]:
    return [None] * len(batch)


def lag(group: str) -> float | None:
    labels = {"topic": TOPIC, "group": group}
    return REGISTRY.get_sample_value("whale_consumer_lag_records", labels)


def readiness(group: str) -> float | None:
    return REGISTRY.get_sample_value("whale_consumer_ready", {"group": group})


async def test_a_consumer_that_waits_for_records_is_ready() -> None:
    consumer, _ = build("test.waits", applied)
    await consumer.report()
    assert (readiness("test.waits"), lag("test.waits")) == (1, 6)


async def test_a_consumer_without_its_database_is_not_ready_and_lags_by_its_batch_too() -> None:
    async def fail(_batch: Any) -> list[None]:
        raise ConnectionRefusedError

    consumer, _ = build("test.fails", fail)
    record = SimpleNamespace(topic=TOPIC, partition=0, offset=3, value=b"x")
    batch = asyncio.create_task(consumer.consume([record]))

    async def is_reported() -> None:
        await consumer.report()
        assert (readiness("test.fails"), lag("test.fails")) == (0, 7)

    await eventually(is_reported)
    batch.cancel()
    await asyncio.gather(batch, return_exceptions=True)


async def test_a_member_without_partitions_has_no_lag() -> None:
    consumer, kafka = build("test.revoked", applied)
    await consumer.report()
    kafka.assigned = set()
    await consumer.report()
    assert lag("test.revoked") == 0


async def test_a_service_reports_its_consumers_from_its_start_on() -> None:
    consumer, _ = build("test.reported", applied)
    messaging = Messaging(bootstrap="", database_url="", consumers=(), relay=False)
    messaging._consumers = [consumer]
    await messaging.start()
    await eventually(lambda: readiness("test.reported") == 1)
    await messaging.stop()


def test_dead_letters_are_exported_from_zero_on() -> None:
    consumer, _ = build("test.zero", applied)
    consumer._producer = SimpleNamespace()
    consumer.register(SimpleNamespace(subscriber=lambda *_, **__: lambda _: None))  # type: ignore[arg-type]
    labels = {"topic": TOPIC, "code": "defect"}
    assert REGISTRY.get_sample_value("whale_dead_letters_total", labels) == 0
