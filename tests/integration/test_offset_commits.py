"""Offsets are committed while the next batch is delivered, in order, and before a consumer has stopped."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from libs.messaging.broker import WatchedConsumer
from libs.testing.eventually import eventually
from tests.integration.consuming import consuming, send
from tests.support import Stack


class Commits:
    """The commits of all consumers; each waits until `may_end` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running = self.most_running = 0
        self.may_end = asyncio.Event()
        commit = WatchedConsumer.commit

        async def counted(consumer: WatchedConsumer, offsets: Any = None) -> None:
            with self._counting():
                await self.may_end.wait()
                await commit(consumer, offsets)

        monkeypatch.setattr(WatchedConsumer, "commit", counted)

    @contextmanager
    def _counting(self) -> Iterator[None]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            yield
        finally:
            self.running -= 1


async def test_the_next_batch_is_delivered_while_offsets_are_committed_one_commit_at_a_time(
    stack: Stack, topic: str, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(monkeypatch)
    async with consuming(stack, topic, producer) as run:

        async def has_handled(*texts: str) -> None:
            async def check() -> None:
                assert run.handler.handled == list(texts)

            await eventually(check)

        await send(producer, topic, b"a")
        await has_handled("a")
        await send(producer, topic, b"b")
        await has_handled("a", "b")
        assert await run.committed() == 0
        asyncio.get_running_loop().call_later(0.1, commits.may_end.set)
        await send(producer, topic, b"c")
        await has_handled("a", "b", "c")
        await run.has_committed(3)
    assert commits.most_running == 1


async def test_a_consumer_that_stops_lets_its_commit_end(
    stack: Stack, topic: str, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(monkeypatch)
    async with consuming(stack, topic, producer) as run:
        await send(producer, topic, b"a")

        async def is_committing() -> None:
            assert commits.running == 1

        await eventually(is_committing)
        asyncio.get_running_loop().call_later(0.1, commits.may_end.set)
    assert await run.committed() == 1
