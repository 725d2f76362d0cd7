"""A producer of Kafka for tests that may publish nothing."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer


class LateProducer:
    """A producer that connects to Kafka once it sends: most tests publish nothing."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._starting: asyncio.Task[AIOKafkaProducer] | None = None

    async def __aenter__(self) -> "LateProducer":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._starting is not None:
            await (await self._starting).stop()

    async def send(self, topic: str, value: bytes, **fields: Any) -> Any:
        return await (await self._started()).send(topic, value, **fields)

    async def send_and_wait(self, topic: str, value: bytes | None, **fields: Any) -> Any:
        return await (await self._started()).send_and_wait(topic, value, **fields)

    def _started(self) -> "asyncio.Task[AIOKafkaProducer]":
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        return self._starting

    async def _start(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap)
        await producer.start()
        return producer
