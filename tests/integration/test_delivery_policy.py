"""The delivery policy on a real broker: the outcome of each record when something fails."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from libs.messaging.consumer import NotReady, Policy
from libs.testing.eventually import eventually
from tests.integration.consuming import (
    consuming,
    dead_letter_count,
    fails_on,
    read_dead_letters,
    send,
)
from tests.support import Stack


async def test_every_record_is_handled_or_a_dead_letter_and_then_committed(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    await send(producer, topic, b"a", b"bad 1", None, b"conflict", b"b")
    async with consuming(stack, topic, producer) as run:
        await run.has_committed(5)
        assert run.handler.handled == ["a", "conflict", "b"]
    dead_letters = await read_dead_letters(stack, topic, 3)
    codes = [(dead_letter.value, dead_letter.headers["dlq-code"]) for dead_letter in dead_letters]
    assert sorted(codes, key=lambda code: code[0] or b"") == [
        (None, b"malformed"),
        (b"bad 1", b"malformed"),
        (b"conflict", b"conflict"),
    ]


async def test_one_busy_partition_is_not_held_up_by_idle_ones(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """Sixteen fetches, of which each has several batches. While the second batch is handled, a fetch of the idle
    partitions would wait for five seconds: 80 in all."""
    values = [b"%0200d" % number for number in range(30_000)]
    sent = [await producer.send(topic, value, key=b"k") for value in values]
    await asyncio.gather(*sent)
    async with consuming(stack, topic, producer, Policy(max_records=1_000)) as run:
        run.handler.seconds = 0.12
        await eventually(lambda: len(run.handler.handled) == len(values))
    assert run.handler.handled == [value.decode() for value in values]


async def test_while_the_database_is_unavailable_nothing_is_committed_and_no_record_is_lost(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """The outage lasts three times the poll interval; the member stays in its group."""
    policy = Policy(max_poll_interval_ms=1_500, session_timeout_ms=6_000, longest_delay_seconds=0.1)
    async with consuming(stack, topic, producer, policy) as run:
        await send(producer, topic, b"first")
        await run.has_committed(1)
        generation = await run.generation()
        is_unavailable = True

        def fail(_batch: Sequence[str]) -> None:
            if is_unavailable:
                raise ConnectionRefusedError("the database is unavailable")

        run.handler.fail = fail
        await send(producer, topic, *(b"%d" % number for number in range(20)))
        await eventually(lambda: run.handler.batches > 3)
        with pytest.raises(NotReady, match="database is unavailable"):
            await run.consumer.ready()
        await asyncio.sleep(3 * policy.max_poll_interval_ms / 1_000)
        assert await run.committed() == 1
        assert await run.generation() == generation
        is_unavailable = False
        await run.has_committed(21)
        assert run.handler.handled == ["first", *map(str, range(20))]
        assert await run.generation() == generation
        await run.consumer.ready()


async def test_a_record_that_arrives_on_a_paused_partition_is_not_lost(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """While one batch waits for the database, a record of the other partition arrives."""
    policy = Policy(max_poll_interval_ms=1_000, session_timeout_ms=6_000, longest_delay_seconds=0.1)
    async with consuming(stack, topic, producer, policy) as run:
        is_unavailable = True

        def fail(_batch: Sequence[str]) -> None:
            if is_unavailable:
                raise ConnectionRefusedError

        run.handler.fail = fail
        await producer.send_and_wait(topic, b"one", partition=0)
        await eventually(lambda: run.handler.batches > 2)
        await producer.send_and_wait(topic, b"two", partition=1)
        await asyncio.sleep(1)
        is_unavailable = False
        await eventually(lambda: sorted(run.handler.handled) == ["one", "two"])


async def test_a_batch_is_halved_until_each_failing_record_is_isolated(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    await send(producer, topic, *(b"%d" % number for number in range(32)))
    async with consuming(stack, topic, producer) as run:

        def fail(batch: Sequence[str]) -> None:
            """Record 13 succeeds only after all its neighbors have been applied without it."""
            if "13" in batch and len(set(run.handler.handled)) < 31:
                raise RuntimeError("a defect")

        run.handler.fail = fail
        await run.has_committed(32)
        assert set(run.handler.handled) == {str(number) for number in range(32)}


async def test_a_record_that_fails_alone_is_quarantined_and_its_neighbors_are_applied(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    await send(producer, topic, *(b"%d" % number for number in range(10)))
    async with consuming(stack, topic, producer) as run:
        run.handler.fail = fails_on(RuntimeError("a planted defect"), "7")
        await run.has_committed(10)
        assert sorted(set(run.handler.handled)) == [str(n) for n in range(10) if n != 7]
        await run.consumer.ready()
    (dead_letter,) = await read_dead_letters(stack, topic, 1)
    assert (dead_letter.value, dead_letter.headers["dlq-code"]) == (b"7", b"defect")
    assert b"a planted defect" in dead_letter.headers["dlq-detail"]


async def test_a_single_failing_record_on_an_idle_topic_does_not_stop_the_partition(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """A single failure does not count as systematic, even without a neighbor that succeeds."""
    async with consuming(stack, topic, producer) as run:
        run.handler.fail = fails_on(RuntimeError("a planted defect"), "7")
        await send(producer, topic, b"7")
        await run.has_committed(1)
        await send(producer, topic, b"8")
        await run.has_committed(2)
        assert run.handler.handled == ["8"]


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
        run.handler.fail = fails_on(error, *refused)
        await run.has_committed(50)
    dead_letters = await read_dead_letters(stack, topic, 25)
    assert {dead_letter.headers["dlq-code"] for dead_letter in dead_letters} == {b"invalid"}


async def test_a_systematic_failure_stops_only_its_partition_until_the_cause_is_fixed(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """All records of the partition fail and there are no others: none is quarantined or committed.
    Once the cause is fixed, they are processed without an operator."""
    for number in range(40):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    policy = Policy(
        longest_delay_seconds=0.05, stopped_first_seconds=0.2, stopped_longest_seconds=0.5
    )
    async with consuming(stack, topic, producer, policy) as run:
        is_broken = True

        def fail(batch: Sequence[str]) -> None:
            if is_broken and any(text.isdigit() for text in batch):
                raise RuntimeError("a planted defect")

        run.handler.fail = fail

        async def stopped() -> None:
            reason = await run.not_ready_reason()
            assert f"{topic}:0 is stopped: " in reason
            assert "none succeeded" in reason

        await eventually(stopped)
        assert await run.committed() == 0
        assert await dead_letter_count(stack, topic) == 0
        is_broken = False
        await run.has_committed(40)
        assert set(run.handler.handled) == {str(number) for number in range(40)}
        await eventually(run.consumer.ready)
        assert await dead_letter_count(stack, topic) == 0


async def test_many_failing_records_do_not_stop_those_of_another_partition(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    """All records of one partition fail. The records of the other one succeed, which shows that
    the failure is not systematic, so all failing records are quarantined."""
    for number in range(60):
        await producer.send_and_wait(topic, b"fails %d" % number, partition=0)
    policy = Policy(
        longest_delay_seconds=0.05, stopped_first_seconds=0.2, stopped_longest_seconds=0.5
    )
    async with consuming(stack, topic, producer, policy) as run:

        def fail(batch: Sequence[str]) -> None:
            if any(text.startswith("fails") for text in batch):
                raise RuntimeError("a planted defect")

        run.handler.fail = fail
        for number in range(10):
            await producer.send_and_wait(topic, b"%d" % number, partition=1)
            await asyncio.sleep(0.1)
        await run.has_committed(70)
        # In order and each at least once: on a busy machine, a batch may be delivered again.
        assert list(dict.fromkeys(run.handler.handled)) == [str(number) for number in range(10)]
        await eventually(run.consumer.ready)
    assert len(await read_dead_letters(stack, topic, 60)) == 60


async def test_any_exception_while_reading_a_record_makes_it_malformed(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    await send(producer, topic, b"a", b"\xff", b"b")
    async with consuming(stack, topic, producer) as run:
        await run.has_committed(3)
        assert run.handler.handled == ["a", "b"]
    (dead_letter,) = await read_dead_letters(stack, topic, 1)
    assert dead_letter.headers["dlq-code"] == b"malformed"


async def test_a_batch_whose_delivery_itself_fails_is_delivered_again(
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
        await run.has_committed(2)
        assert set(run.handler.handled) == {"a", "b"}


async def test_200_malformed_records_among_valid_ones_do_not_stop_the_consumer(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    values = [b"bad %d" % n if n % 2 else b"%d" % n for n in range(400)]
    await asyncio.gather(*[await producer.send(topic, value) for value in values])
    async with consuming(stack, topic, producer) as run:
        await run.has_committed(400)
        assert len(run.handler.handled) == 200


async def test_every_record_is_handled_while_a_second_member_joins_and_leaves(
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
            )
            for number in range(20):
                await producer.send_and_wait(topic, b"c%d" % number, partition=number % 2)
            await eventually(lambda: second.handler.handled != [])
        for number in range(20):
            await producer.send_and_wait(topic, b"d%d" % number, partition=number % 2)
        sent = {f"{word}{number}" for word in "abcd" for number in range(20)}
        await eventually(
            lambda: set(first.handler.handled) | set(second.handler.handled) == sent,
        )
