"""A consumer that makes no progress is not ready, and reports why."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from libs.messaging import watchdog
from libs.testing.eventually import eventually
from tests.integration.conftest import create_topic
from tests.integration.consuming import consuming, send
from tests.support import Stack


async def test_a_deleted_topic_is_reported_and_consumed_again_once_it_is_created(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    async with consuming(stack, topic, producer) as run:
        await send(producer, topic, b"before")
        await eventually(lambda: run.handler.handled == ["before"])
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
        await admin.start()
        await admin.delete_topics([topic])
        await admin.close()

        async def reported() -> None:
            assert f"the topic {topic} does not exist" in await run.not_ready_reason()

        await eventually(reported)
        await create_topic(stack, topic)
        await send(producer, topic, b"after")
        await eventually(lambda: run.handler.handled[-1] == "after")
        await eventually(run.consumer.ready)


async def test_a_handler_that_hangs_is_reported_until_it_returns(
    stack: Stack, topic: str, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_BATCH_SECONDS", 0.5)
    async with consuming(stack, topic, producer) as run:
        release = asyncio.Event()
        handle = run.consumer._delivery._handle

        async def hang(batch: Sequence[Any]) -> Any:
            await release.wait()
            return await handle(batch)

        monkeypatch.setattr(run.consumer._delivery, "_handle", hang)
        await send(producer, topic, b"a")

        async def reported() -> None:
            assert "a batch has taken" in await run.not_ready_reason()

        await eventually(reported)
        release.set()
        await eventually(run.consumer.ready)


async def test_a_consumer_whose_loop_has_ended_is_not_ready(
    stack: Stack, topic: str, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_SILENCE_SECONDS", 1.0)
    async with consuming(stack, topic, producer) as run:
        await eventually(run.consumer.ready)
        for task in run.consumer._subscriber.tasks:
            task.cancel()

        async def reported() -> None:
            assert "no poll has completed" in await run.not_ready_reason()

        await eventually(reported)
