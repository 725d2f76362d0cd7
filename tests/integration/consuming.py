"""A consumer of a test on a real broker: its records, its handler, and its dead letters."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from libs.messaging.broker import create_broker
from libs.messaging.cloudevents import Poison
from libs.messaging.consumer import BatchConsumer, NotReady, Policy
from libs.testing.eventually import eventually
from tests.support import DeadLetter, Stack, follow

QUICK = Policy(max_records=50, longest_delay_seconds=0.05, session_timeout_ms=6_000)


class Handler:
    """Records the texts that it handles, in so many seconds per batch; fails as `fail` decides."""

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.batches = 0
        self.seconds = 0.0
        self.fail: Callable[[Sequence[str]], None] = lambda _batch: None

    async def __call__(self, batch: Sequence[str]) -> Sequence[Poison | None]:
        self.batches += 1
        self.fail(batch)
        await asyncio.sleep(self.seconds)
        self.handled += batch
        return [Poison("conflict", "a conflict") if "conflict" in text else None for text in batch]


def read(record: Any) -> str:
    if record.value is None or record.value.startswith(b"bad"):
        raise Poison("malformed", "bad")
    return str(record.value.decode())


class Consuming:
    """A running consumer with its handler, and the offsets that its group has committed."""

    def __init__(self, consumer: BatchConsumer[str], handler: Handler, kafka: str) -> None:
        self.consumer = consumer
        self.handler = handler
        self._kafka = kafka

    async def committed(self) -> int:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.consumer._group)
        finally:
            await admin.close()
        return sum(max(offset.offset, 0) for offset in offsets.values())

    async def has_committed(self, count: int) -> None:
        """Wait until this many records are committed."""

        async def check() -> None:
            assert await self.committed() == count

        await eventually(check)

    async def not_ready_reason(self) -> str:
        """Why the consumer is not ready, or an empty string."""
        try:
            await self.consumer.ready()
        except NotReady as error:
            return str(error)
        return ""

    async def generation(self) -> Any:
        return self.consumer._subscriber.consumer._coordinator.generation


@contextlib.asynccontextmanager
async def consuming(
    stack: Stack, topic: str, producer: AIOKafkaProducer, policy: Policy = QUICK
) -> AsyncIterator[Consuming]:
    handler = Handler()
    consumer = BatchConsumer(
        topics=(topic,),
        group=topic,
        service="test",
        read=read,
        handle=handler,
        producer=producer,
        policy=policy,
    )
    broker = create_broker(stack.kafka, [consumer])  # type: ignore[list-item]
    await broker.start()
    try:
        yield Consuming(consumer, handler, stack.kafka)
    finally:
        await broker.stop()


def fails_on(error: Exception, *values: str) -> Callable[[Sequence[str]], None]:
    """A failure of every batch that contains one of `values`."""

    def fail(batch: Sequence[str]) -> None:
        if set(values) & set(batch):
            raise error

    return fail


async def read_dead_letters(stack: Stack, topic: str, count: int) -> list[DeadLetter]:
    """The first `count` dead letters of a topic."""
    dead_letters: list[DeadLetter] = []
    async with contextlib.aclosing(follow(stack.kafka, f"{topic}.dlq")) as records:
        async for record in records:
            dead_letters.append(
                DeadLetter(
                    record.topic,
                    record.partition,
                    record.offset,
                    record.key,
                    record.value,
                    dict(record.headers),
                )
            )
            if len(dead_letters) == count:
                return dead_letters
    raise AssertionError(f"{len(dead_letters)} of {count} dead letters: {dead_letters}")


async def dead_letter_count(stack: Stack, topic: str) -> int:
    async with AIOKafkaConsumer(f"{topic}.dlq", bootstrap_servers=stack.kafka) as consumer:
        return sum((await consumer.end_offsets(consumer.assignment())).values())


async def send(producer: AIOKafkaProducer, topic: str, *values: bytes | None) -> None:
    for value in values:
        await producer.send_and_wait(topic, value, key=b"k", headers=[("h", b"\xff")])
