"""The delivery policy on a real broker: what becomes of records when things go wrong."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from libs.messaging.broker import create_broker
from libs.messaging.cloudevents import Poison
from libs.messaging.consumer import BatchConsumer, NotReady, Policy
from libs.testing.eventually import eventually
from tests.support import DeadLetter, Stack, follow

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

    async def commits(self, count: int) -> None:
        """Wait until so many records are committed."""

        async def look() -> None:
            assert await self.committed() == count

        await eventually(look, within_seconds=20)

    async def not_ready(self) -> str:
        """Why the consumer is not ready; empty where it is."""
        try:
            await self.consumer.ready()
        except NotReady as reason:
            return str(reason)
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
    """Misbehavior: a batch that has one of `values` in it fails."""

    def misbehave(batch: Sequence[str]) -> None:
        if set(values) & set(batch):
            raise error

    return misbehave


async def letters(stack: Stack, topic: str, count: int) -> list[DeadLetter]:
    """The first `count` dead letters of a topic."""
    found: list[DeadLetter] = []
    async with contextlib.aclosing(follow(stack.kafka, f"{topic}.dlq")) as records:
        async for record in records:
            place = (record.topic, record.partition, record.offset)
            found.append(DeadLetter(*place, record.key, record.value, dict(record.headers)))
            if len(found) == count:
                return found
    raise AssertionError(f"{len(found)} of {count} dead letters: {found}")


async def letter_count(stack: Stack, topic: str) -> int:
    async with AIOKafkaConsumer(f"{topic}.dlq", bootstrap_servers=stack.kafka) as consumer:
        return sum((await consumer.end_offsets(consumer.assignment())).values())


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
    codes = [(one.value, one.headers["dlq-code"]) for one in await letters(stack, topic, 3)]
    assert sorted(codes, key=lambda one: one[0] or b"") == [
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
        with pytest.raises(NotReady, match="store is unavailable"):
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


async def test_a_batch_is_halved_until_each_failure_stands_alone(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    await send(producer, topic, *(b"%d" % number for number in range(32)))
    async with consuming(stack, topic, producer) as run:

        def misbehave(batch: Sequence[str]) -> None:
            """The thirteenth works only once all its neighbors have been applied without it."""
            if "13" in batch and len(set(run.handler.seen)) < 31:
                raise RuntimeError("a defect")

        run.handler.misbehave = misbehave
        await run.commits(32)
        assert set(run.handler.seen) == {str(number) for number in range(32)}


async def test_a_record_that_fails_alone_is_quarantined_and_its_neighbors_are_applied(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    await send(producer, topic, *(b"%d" % number for number in range(10)))
    async with consuming(stack, topic, producer) as run:
        run.handler.misbehave = fails_on(RuntimeError("a planted defect"), "7")
        await run.commits(10)
        assert sorted(set(run.handler.seen)) == [str(n) for n in range(10) if n != 7]
        await run.consumer.ready()
    (letter,) = await letters(stack, topic, 1)
    assert (letter.value, letter.headers["dlq-code"]) == (b"7", b"defect")
    assert b"a planted defect" in letter.headers["dlq-detail"]


async def test_a_lone_failing_record_on_a_quiet_topic_stops_nothing(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """With no neighbor to compare with, a single failure is not taken for a systematic one."""
    async with consuming(stack, topic, producer) as run:
        run.handler.misbehave = fails_on(RuntimeError("a planted defect"), "7")
        await send(producer, topic, b"7")
        await run.commits(1)
        await send(producer, topic, b"8")
        await run.commits(2)
        assert run.handler.seen == ["8"]


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.NumericValueOutOfRangeError("value overflows numeric format"),
        asyncpg.CharacterNotInRepertoireError("invalid byte sequence"),
        asyncpg.CheckViolationError("accounts_balance_check"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_value_that_the_database_refuses_is_the_fault_of_its_record(
    stack: Stack, topic: str, producer: AIOKafkaProducer, error: Exception
) -> None:
    await send(producer, topic, *(b"%d" % number for number in range(50)))
    async with consuming(stack, topic, producer) as run:
        refused = [str(number) for number in range(25)]
        run.handler.misbehave = fails_on(error, *refused)
        await run.commits(50)
    assert {one.headers["dlq-code"] for one in await letters(stack, topic, 25)} == {b"invalid"}


async def test_systematic_failure_stops_its_partition_alone_and_heals(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """All records of one partition fail and nothing else is there: nothing is quarantined, nothing
    committed. Once the cause has passed, they are processed without anybody's help."""
    for number in range(40):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    policy = Policy(
        longest_delay_seconds=0.05, stopped_first_seconds=0.2, stopped_longest_seconds=0.5
    )
    async with consuming(stack, topic, producer, policy) as run:
        broken = True

        def misbehave(batch: Sequence[str]) -> None:
            if broken and any(one.isdigit() for one in batch):
                raise RuntimeError("a planted defect")

        run.handler.misbehave = misbehave

        async def stopped() -> None:
            reason = await run.not_ready()
            assert f"{topic}:0 is stopped: " in reason
            assert "none succeeded" in reason

        await eventually(stopped, within_seconds=30)
        assert await run.committed() == 0
        assert await letter_count(stack, topic) == 0
        broken = False
        await run.commits(40)
        assert set(run.handler.seen) == {str(number) for number in range(40)}
        await eventually(run.consumer.ready)
        assert await letter_count(stack, topic) == 0


async def test_a_flood_of_failing_records_stops_nobody_else(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """One partition holds nothing but records that fail; the records of the other one show that
    records can be processed, so the failing ones are quarantined, however many they are."""
    for number in range(60):
        await producer.send_and_wait(topic, b"fails %d" % number, partition=0)
    policy = Policy(
        longest_delay_seconds=0.05, stopped_first_seconds=0.2, stopped_longest_seconds=0.5
    )
    async with consuming(stack, topic, producer, policy) as run:

        def misbehave(batch: Sequence[str]) -> None:
            if any(one.startswith("fails") for one in batch):
                raise RuntimeError("a planted defect")

        run.handler.misbehave = misbehave
        for number in range(10):
            await producer.send_and_wait(topic, b"%d" % number, partition=1)
            await asyncio.sleep(0.1)
        await run.commits(70)
        assert run.handler.seen == [str(number) for number in range(10)]
        await eventually(run.consumer.ready)
    assert len(await letters(stack, topic, 60)) == 60


async def test_whatever_raises_while_a_record_is_read_is_the_fault_of_that_record(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    await send(producer, topic, b"a", b"\xff", b"b")
    async with consuming(stack, topic, producer) as run:
        await run.commits(3)
        assert run.handler.seen == ["a", "b"]
    (letter,) = await letters(stack, topic, 1)
    assert letter.headers["dlq-code"] == b"malformed"


async def test_a_delivery_that_fails_itself_is_repeated_from_the_first_record(
    stack: Stack, topic: str, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(producer, topic, b"a", b"b")
    async with consuming(stack, topic, producer) as run:
        deliver, failures = run.consumer._delivery.deliver, iter([True, True, False])

        async def fail_first(records: Sequence[Any]) -> Any:
            if next(failures, False):
                raise RuntimeError("a defect of the delivery")
            return await deliver(records)

        monkeypatch.setattr(run.consumer._delivery, "deliver", fail_first)
        await run.commits(2)
        assert set(run.handler.seen) == {"a", "b"}


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
