"""A backlog of one store delays no other: its records are handled ahead, in order, none lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from libs.messaging.broker import create_broker
from libs.messaging.consumer import BatchConsumer, Policy
from libs.messaging.look_ahead import LookAhead
from libs.testing.eventually import eventually
from tests.support import Stack

BACKLOG = 3_000


class Handler:
    """Takes 20 ms for each batch of a consumer that reads 25 records at a time."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.ahead: list[str] = []

    async def handle(self, batch: Sequence[str]) -> Sequence[None]:
        await asyncio.sleep(0.02)
        self.seen += batch
        return [None] * len(batch)

    async def handle_ahead(self, batch: Sequence[str]) -> None:
        self.ahead += batch


def read(record: Any) -> str:
    text = str(record.value.decode())
    if "unreadable" in text:
        raise ValueError(text)
    return text


@contextlib.asynccontextmanager
async def consuming(
    stack: Stack, topic: str, producer: AIOKafkaProducer, *, per_second: int = 100
) -> AsyncIterator[Handler]:
    handler = Handler()
    consumer = BatchConsumer(
        topics=(topic,),
        group=topic,
        service="test",
        read=read,
        handle=handler.handle,
        producer=producer,
        policy=Policy(max_records=25),
        look_ahead=LookAhead(
            stack.kafka,
            group=topic,
            read=read,
            handle=handler.handle_ahead,
            store_of=lambda text: text.partition(":")[0],
            backlog_records=500,
            store_records_per_second=per_second,
        ),
    )
    broker = create_broker(stack.kafka, [consumer])  # type: ignore[list-item]
    await broker.start()
    try:
        yield handler
    finally:
        await broker.stop()
        await consumer.close()


async def publish(
    producer: AIOKafkaProducer, topic: str, *texts: str, key: str | None = None
) -> None:
    sent = [
        await producer.send(
            topic, text.encode(), key=(key or text.partition(":")[0] + ":c").encode(), partition=0
        )
        for text in texts
    ]
    await asyncio.gather(*sent)


def backlog(store: str = "large") -> list[str]:
    return [f"{store}:{number}" for number in range(BACKLOG)]


async def test_other_stores_are_handled_ahead_in_order_and_everything_in_the_end(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    small = [f"small:{number}" for number in range(50)]
    await publish(producer, topic, *backlog(), *small[:25], "small:unreadable")
    async with consuming(stack, topic, producer) as handler:
        await eventually(lambda: small[24] in handler.ahead, within_seconds=20)
        assert len(handler.seen) < BACKLOG
        await publish(producer, topic, *small[25:], *backlog("other"))
        await eventually(lambda: small[49] in handler.ahead, within_seconds=5)
        assert [one for one in handler.ahead if one.startswith("small")] == small
        expected = {*backlog(), *backlog("other"), *small}
        await eventually(lambda: expected <= set(handler.seen), within_seconds=40)
        assert [one for one in handler.seen if one.startswith("small")] == small


async def test_a_store_over_its_share_is_left_in_order_to_the_consumer(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    medium = [f"medium:{number}" for number in range(500)]
    await publish(producer, topic, *backlog(), *medium, "small:1")
    async with consuming(stack, topic, producer, per_second=50) as handler:
        await eventually(lambda: "small:1" in handler.ahead, within_seconds=20)
        ahead = [one for one in handler.ahead if one.startswith("medium")]
        assert ahead == medium[: len(ahead)]
        assert 50 <= len(ahead) < 500


async def test_a_store_cannot_take_more_under_the_keys_of_others(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """The key is the shop's word; the event says whose record it is."""
    await publish(producer, topic, *backlog("unkeyed")[:BACKLOG])
    for number in range(300):
        await publish(producer, topic, f"large:{number}", key=f"forged{number}:c")
    await publish(producer, topic, "small:1")
    async with consuming(stack, topic, producer, per_second=50) as handler:
        await eventually(lambda: "small:1" in handler.ahead, within_seconds=20)
        assert len([one for one in handler.ahead if one.startswith("large")]) < 200


async def test_without_a_backlog_nothing_is_handled_twice(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    texts = [f"small:{number}" for number in range(200)]
    async with consuming(stack, topic, producer) as handler:
        await publish(producer, topic, *texts)
        await eventually(lambda: handler.seen == texts, within_seconds=20)
        assert handler.ahead == []


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR", logger="aiokafka")
