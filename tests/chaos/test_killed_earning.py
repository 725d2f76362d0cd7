"""Earning killed, frozen and replaced in the middle of its work: the books are exact after it."""

import asyncio
import json
import os
import random
import signal
from collections.abc import Iterator

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from libs.contracts.topics import ORDER_COMPLETED, record_key
from libs.testing.eventually import eventually
from tests.bench.servers import servers
from tests.chaos.alone import dies, healthy, new_store, start
from tests.chaos.killable import POINTS
from tests.support import Stack
from tools.demo.publish import wait_until_consumed
from tools.ledger import verify


@pytest.fixture(scope="module")
def alone() -> Iterator[Stack]:
    """Servers without services: these tests start and kill their own."""
    with servers() as stack:
        yield stack


@pytest.fixture
async def store(alone: Stack) -> str:
    return await new_store(alone)


async def publish(stack: Stack, store: str, count: int, *, customers: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka, linger_ms=20) as producer:
        for start_ in range(0, count, 10_000):
            sent = []
            for number in range(start_, min(start_ + 10_000, count)):
                customer = f"cust_{number % customers}"
                order = {
                    "store_id": store,
                    "order_id": f"o{number}",
                    "customer_id": customer,
                    "total": "1.00",
                    "currency": "USD",
                    "completed_at": "2026-03-10T12:00:00Z",
                }
                key = record_key(store, customer)
                value = json.dumps(order).encode()
                sent.append(await producer.send(ORDER_COMPLETED, value, key=key))
            await asyncio.gather(*sent)


async def books_are_exact(stack: Stack, store: str, orders: int) -> None:
    """One award per order, everything adds up, and every entry was told in order, at least once."""
    connection = await asyncpg.connect(stack.database("earning", owner=True))
    try:
        assert (
            await connection.fetchval(
                "SELECT sum(balance) FROM accounts WHERE store_id = $1", store
            )
            == orders * 10
        )
        assert (
            await connection.fetchval("SELECT count(*) FROM entries WHERE store_id = $1", store)
            == orders
        )
        assert [fault async for fault in verify.faults(connection, lambda _: None)] == []

        async def outbox_is_empty() -> bool:
            return await connection.fetchval("SELECT count(*) FROM outbox") == 0

        await eventually(outbox_is_empty, within_seconds=30)
        rows = await connection.fetch(
            "SELECT a.customer_id, a.sequence FROM accounts a WHERE store_id = $1", store
        )
    finally:
        await connection.close()
    told = await told_sequences(stack, store)
    for customer, last in rows:
        passed = 0
        for sequence in told[customer]:
            # A repeat goes back to what was told before; what is new is always the next one.
            assert sequence <= passed + 1, f"{customer}: {sequence} after {passed}"
            passed = max(passed, sequence)
        assert passed == last


async def told_sequences(stack: Stack, store: str) -> dict[str, list[int]]:
    """The sequences told on points.earned, by customer, in the order of the topic."""
    found: dict[str, list[int]] = {}
    async with AIOKafkaConsumer(
        "points.earned", bootstrap_servers=stack.kafka, auto_offset_reset="earliest"
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    event = json.loads(record.value)
                    if event["store_id"] == store:
                        found.setdefault(event["customer_id"], []).append(event["sequence"])
    return found


async def all_consumed(stack: Stack) -> None:
    async with asyncio.timeout(90):
        await wait_until_consumed(stack.kafka, lambda _left: None)


@pytest.mark.parametrize("point", POINTS["earning"])
async def test_killed_at_a_named_point(alone: Stack, store: str, point: str) -> None:
    await publish(alone, store, 6_000, customers=50)
    await dies(await start(alone, dying=("earning", point, "2")))
    async with healthy(alone):
        await all_consumed(alone)
        await books_are_exact(alone, store, 6_000)


async def test_killed_at_random_in_the_middle_of_100_000_orders(alone: Stack, store: str) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    choose = random.Random(seed)
    await publish(alone, store, 100_000, customers=2_000)
    for _ in range(4):
        process = await start(alone)
        await asyncio.sleep(choose.uniform(1.5, 4.0))
        process.kill()
        await process.wait()
    async with healthy(alone):
        await all_consumed(alone)
        await books_are_exact(alone, store, 100_000)


async def test_members_come_and_go_and_one_is_thawed_after_its_session_time(
    alone: Stack, store: str
) -> None:
    await publish(alone, store, 60_000, customers=500)
    async with healthy(alone) as zombie:
        await asyncio.sleep(2.5)
        os.kill(zombie.pid, signal.SIGSTOP)
        async with healthy(alone):
            # Longer than a session: the others have taken over what it held.
            await asyncio.sleep(12)
            async with healthy(alone):
                os.kill(zombie.pid, signal.SIGCONT)
                await asyncio.sleep(3)
            await all_consumed(alone)
            await books_are_exact(alone, store, 60_000)
