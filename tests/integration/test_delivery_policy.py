"""The delivery policy on a real broker: what becomes of records when things go wrong."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from libs.messaging.broker import create_broker
from libs.messaging.cloudevents import Poison
from libs.messaging.consumer import BatchConsumer, NotReady, Policy
from libs.testing.eventually import eventually
from tests.support import Stack, follow

QUICK = Policy(max_records=50, longest_delay_seconds=0.05, session_timeout_ms=6_000)


class Handler:
    """Takes batches of texts, and misbehaves as it is told."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.batches = 0
        self.misbehave: Callable[[Sequence[str]], None] = lambda _batch: None

    async def __call__(self, batch: Sequence[str]) -> Sequence[Poison | None]:
        self.batches += 1
        self.misbehave(batch)
        self.seen += batch
        return [Poison("conflict", "told so") if "conflict" in one else None for one in batch]


def read(record: Any) -> str:
    if record.value is None or record.value.startswith(b"bad"):
        raise Poison("malformed", "bad")
    return str(record.value.decode())


class Consuming:
    """A consumer that runs, its handler, and what the broker knows of its group."""

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
        return sum(max(one.offset, 0) for one in offsets.values())

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
        await consumer.left()


async def send(producer: AIOKafkaProducer, topic: str, *values: bytes | None) -> None:
    for value in values:
        await producer.send_and_wait(topic, value, key=b"k", headers=[("h", b"\xff")])


async def test_every_record_is_handled_or_a_dead_letter_and_then_committed(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    await send(producer, topic, b"a", b"bad 1", None, b"conflict", b"b")
    async with consuming(stack, topic, producer) as run:

        async def all_committed() -> None:
            assert await run.committed() == 5

        await eventually(all_committed, within_seconds=20)
        assert run.handler.seen == ["a", "conflict", "b"]
    letters = []
    async with contextlib.aclosing(follow(stack.kafka, f"{topic}.dlq")) as records:
        async for record in records:
            letters.append((record.value, dict(record.headers)["dlq-code"]))
            if len(letters) == 3:
                break
    assert sorted(letters, key=lambda one: one[0] or b"") == [
        (None, b"malformed"),
        (b"bad 1", b"malformed"),
        (b"conflict", b"conflict"),
    ]


async def test_nothing_is_committed_while_the_store_is_away_and_nothing_is_skipped_after(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """The store stays away for thrice the poll interval; the member keeps its place."""
    policy = Policy(max_poll_interval_ms=1_500, session_timeout_ms=6_000, longest_delay_seconds=0.1)
    async with consuming(stack, topic, producer, policy) as run:
        await send(producer, topic, b"first")

        async def first_committed() -> None:
            assert await run.committed() == 1

        await eventually(first_committed, within_seconds=20)
        generation = await run.generation()
        away = True

        def misbehave(_batch: Sequence[str]) -> None:
            if away:
                raise ConnectionRefusedError("the store is away")

        run.handler.misbehave = misbehave
        await send(producer, topic, *(b"%d" % number for number in range(20)))
        await eventually(lambda: run.handler.batches > 3)
        with pytest.raises(NotReady, match="store is away"):
            await run.consumer.ready()
        await asyncio.sleep(3 * policy.max_poll_interval_ms / 1_000)
        assert await run.committed() == 1
        assert await run.generation() == generation
        away = False

        async def all_committed() -> None:
            assert await run.committed() == 21

        await eventually(all_committed, within_seconds=10)
        assert run.handler.seen == ["first", *map(str, range(20))]
        assert await run.generation() == generation
        await run.consumer.ready()


async def test_a_record_that_comes_for_a_paused_partition_is_not_lost(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """While one batch waits for the store, records of the other partition arrive."""
    policy = Policy(max_poll_interval_ms=1_000, session_timeout_ms=6_000, longest_delay_seconds=0.1)
    async with consuming(stack, topic, producer, policy) as run:
        away = True

        def misbehave(_batch: Sequence[str]) -> None:
            if away:
                raise ConnectionRefusedError

        run.handler.misbehave = misbehave
        await producer.send_and_wait(topic, b"one", partition=0)
        await eventually(lambda: run.handler.batches > 2, within_seconds=20)
        await producer.send_and_wait(topic, b"two", partition=1)
        await asyncio.sleep(1)
        away = False
        await eventually(lambda: sorted(run.handler.seen) == ["one", "two"])


async def test_a_batch_is_halved_until_the_culprit_stands_alone(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    await send(producer, topic, *(b"%d" % number for number in range(32)))
    async with consuming(stack, topic, producer) as run:

        def misbehave(batch: Sequence[str]) -> None:
            """The thirteenth works only once all its neighbours have been applied without it."""
            if "13" in batch and len(set(run.handler.seen)) < 31:
                raise RuntimeError("a defect")

        run.handler.misbehave = misbehave

        async def all_committed() -> None:
            assert await run.committed() == 32

        await eventually(all_committed, within_seconds=20)
        assert set(run.handler.seen) == {str(number) for number in range(32)}


async def test_the_brake_stops_on_faults_of_ours_and_commits_nothing(
    stack: Stack, topic: str, producer: AIOKafkaProducer, capsys: pytest.CaptureFixture[str]
) -> None:
    await send(producer, topic, *(b"%d" % number for number in range(10)))
    async with consuming(stack, topic, producer) as run:

        def misbehave(batch: Sequence[str]) -> None:
            if "7" in batch:
                raise RuntimeError("a planted defect")

        run.handler.misbehave = misbehave

        async def braked() -> bool:
            try:
                await run.consumer.ready()
            except NotReady as trouble:
                return "the brake is on: 20 unexpected exceptions" in str(trouble)
            return False

        await eventually(braked, within_seconds=30)
        assert await run.committed() == 0
        assert sorted(set(run.handler.seen)) == [str(n) for n in range(10) if n != 7]
        assert "mend it and start the service again" in capsys.readouterr().out


async def test_200_bad_records_among_good_ones_never_stop_it(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    values = [b"bad %d" % n if n % 2 else b"%d" % n for n in range(400)]
    await asyncio.gather(*[await producer.send(topic, value) for value in values])
    async with consuming(stack, topic, producer) as run:

        async def all_committed() -> None:
            assert await run.committed() == 400

        await eventually(all_committed, within_seconds=20)
        assert len(run.handler.seen) == 200


async def test_two_members_come_and_go_and_every_record_is_handled(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    async with consuming(stack, topic, producer) as first:
        for number in range(20):
            await producer.send_and_wait(topic, b"a%d" % number, partition=number % 2)
        async with consuming(stack, topic, producer) as second:
            for number in range(20):
                await producer.send_and_wait(topic, b"b%d" % number, partition=number % 2)
            await eventually(
                lambda: second.consumer._subscriber.consumer.assignment() != set(),
                within_seconds=20,
            )
            for number in range(20):
                await producer.send_and_wait(topic, b"c%d" % number, partition=number % 2)
            await eventually(lambda: second.handler.seen != [])
        for number in range(20):
            await producer.send_and_wait(topic, b"d%d" % number, partition=number % 2)
        sent = {f"{word}{number}" for word in "abcd" for number in range(20)}
        await eventually(
            lambda: set(first.handler.seen) | set(second.handler.seen) == sent, within_seconds=20
        )
