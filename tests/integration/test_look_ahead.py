"""Records of other stores are handled ahead of one store's backlog: in order, and none is lost."""

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
# So many records are handled before the consumer pauses.
FIRST = 250


class Handler:
    """Handles the first records, and the others once it `may_continue`: there is a backlog until then,
    however long the machine takes."""

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.handled_ahead: list[str] = []
        self.may_continue = asyncio.Event()

    async def handle(self, batch: Sequence[str]) -> Sequence[None]:
        if len(self.handled) >= FIRST:
            await self.may_continue.wait()
        self.handled += batch
        return [None] * len(batch)

    async def handle_ahead(self, batch: Sequence[str]) -> None:
        self.handled_ahead += batch


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
        handler.may_continue.set()
        await broker.stop()
        await consumer.close()


async def publish(
    producer: AIOKafkaProducer, topic: str, *texts: str, key: str | None = None
) -> None:
    acknowledgments = [
        await producer.send(
            topic, text.encode(), key=(key or text.partition(":")[0] + ":c").encode(), partition=0
        )
        for text in texts
    ]
    await asyncio.gather(*acknowledgments)


def backlog(store: str = "large") -> list[str]:
    return [f"{store}:{number}" for number in range(BACKLOG)]


async def test_records_of_other_stores_are_handled_ahead_in_order_and_all_records_eventually(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    small = [f"small:{number}" for number in range(50)]
    await publish(producer, topic, *backlog(), *small[:25], "small:unreadable")
    async with consuming(stack, topic, producer) as handler:
        await eventually(lambda: small[24] in handler.handled_ahead)
        await publish(producer, topic, *small[25:], *backlog("other"))
        await eventually(lambda: small[49] in handler.handled_ahead)
        assert len(handler.handled) < BACKLOG
        assert [text for text in handler.handled_ahead if text.startswith("small")] == small
        expected = {*backlog(), *backlog("other"), *small}
        handler.may_continue.set()
        await eventually(lambda: expected <= set(handler.handled))
        assert [text for text in handler.handled if text.startswith("small")] == small


async def test_records_beyond_a_store_s_share_are_left_to_the_consumer_in_order(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    medium = [f"medium:{number}" for number in range(4_000)]
    await publish(producer, topic, *backlog(), *medium, "small:1")
    async with consuming(stack, topic, producer, per_second=50) as handler:
        await eventually(lambda: "small:1" in handler.handled_ahead)
        ahead = [text for text in handler.handled_ahead if text.startswith("medium")]
        assert ahead == medium[: len(ahead)]
        # The share of up to a minute.
        assert 50 <= len(ahead) < 3_000


async def test_a_store_cannot_exceed_its_share_with_keys_of_other_stores(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """The shop chooses the key; the share that counts is that of the event's store."""
    await publish(producer, topic, *backlog("unkeyed"))
    await asyncio.gather(
        *(
            publish(producer, topic, f"large:{number}", key=f"forged{number}:c")
            for number in range(4_000)
        )
    )
    await publish(producer, topic, "small:1")
    async with consuming(stack, topic, producer, per_second=50) as handler:
        await eventually(lambda: "small:1" in handler.handled_ahead)
        ahead = [text for text in handler.handled_ahead if text.startswith("large")]
        assert len(ahead) < 3_000


async def test_without_a_backlog_nothing_is_handled_twice(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    texts = [f"small:{number}" for number in range(200)]
    async with consuming(stack, topic, producer) as handler:
        await publish(producer, topic, *texts)
        await eventually(lambda: handler.handled == texts)
        assert handler.handled_ahead == []


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR", logger="aiokafka")
