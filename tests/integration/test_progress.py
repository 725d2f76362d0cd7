"""How far a group is behind is the age of its oldest record that is not committed, on a real Kafka."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from libs.contracts.groups import Group
from libs.messaging import progress
from libs.messaging.progress import ProgressReader
from tests.support import Stack


@pytest.fixture
async def reader(stack: Stack, topic: str, monkeypatch: pytest.MonkeyPatch) -> ProgressReader:
    """A reader of the group `test.<topic>`, which has committed nothing."""
    group = Group(name=f"test.{topic}", service="test", topics=(topic,), step="orders")
    monkeypatch.setattr(progress, "GROUPS", (group,))
    monkeypatch.setattr(progress, "_READ_SECONDS", 10.0)
    return ProgressReader("test", stack.kafka, stopped=tuple, outbox_engine=None)


async def seconds_behind(reader: ProgressReader) -> float:
    groups = (await reader.read()).groups
    assert groups is not None
    return groups[0].seconds_behind


async def test_the_age_is_that_of_the_oldest_record_that_is_not_committed(
    stack: Stack, topic: str, producer: AIOKafkaProducer, reader: ProgressReader
) -> None:
    assert await seconds_behind(reader) == 0.0
    started = time.time()
    # Kafka's own time counts, not that of the producer.
    first = await producer.send_and_wait(topic, b"1", partition=0, timestamp_ms=1)
    await asyncio.sleep(0.5)
    await producer.send_and_wait(topic, b"2", partition=0)
    assert 0.5 <= await seconds_behind(reader) <= time.time() - started
    member = AIOKafkaConsumer(
        bootstrap_servers=stack.kafka, group_id=f"test.{topic}", enable_auto_commit=False
    )
    await member.start()
    try:
        partition = TopicPartition(topic, 0)
        member.assign([partition])
        await member.commit({partition: OffsetAndMetadata(first.offset + 1, "")})
        assert 0.0 < await seconds_behind(reader) <= time.time() - started - 0.5
        await member.commit({partition: OffsetAndMetadata(first.offset + 2, "")})
        assert await seconds_behind(reader) == 0.0
    finally:
        await member.stop()
        await reader.stop()


async def test_without_kafka_the_age_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_READ_SECONDS", 0.5)
    reader = ProgressReader("earning", "127.0.0.1:9", stopped=tuple, outbox_engine=None)
    assert (await reader.read()).groups is None
    await reader.stop()
