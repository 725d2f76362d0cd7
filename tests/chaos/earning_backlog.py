"""A backlog of orders for earning, and the check that the books are exact after it was consumed."""

import asyncio
import json

import asyncpg
from aiokafka import AIOKafkaProducer

from libs.contracts.topics import ORDER_COMPLETED, POINTS_EARNED, record_key
from libs.testing.eventually import eventually
from tests.chaos.alone import dies, healthy, start
from tests.reading import read_all
from tests.support import Stack, ledger_faults
from tools.demo.publish import wait_until_consumed

POINTS_PER_ORDER = 10
_CHUNK = 10_000


async def publish_orders(stack: Stack, store: str, count: int, *, customers: int) -> None:
    """Publish `count` orders of 1.00, spread over the customers."""
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka, linger_ms=20) as producer:
        for first in range(0, count, _CHUNK):
            acknowledgments = []
            for number in range(first, min(first + _CHUNK, count)):
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
                acknowledgments.append(await producer.send(ORDER_COMPLETED, value, key=key))
            await asyncio.gather(*acknowledgments)


async def assert_consumed_exactly(stack: Stack, store: str, orders: int) -> None:
    """Wait until earning has consumed its backlog. Then each order has one award, the ledger is
    consistent, and each entry was published in order, at least once."""
    async with asyncio.timeout(170):
        await wait_until_consumed(stack.kafka, lambda _remaining: None)
    last_sequences = await _check_ledger(stack, store, orders)
    published = await _published_sequences(stack, store)
    for customer, last in last_sequences.items():
        newest = 0
        for sequence in published[customer]:
            # A duplicate repeats an earlier sequence; a new sequence is always the next one.
            assert sequence <= newest + 1, f"{customer}: {sequence} after {newest}"
            newest = max(newest, sequence)
        assert newest == last


async def assert_exact_after_a_kill(stack: Stack, store: str, point: str) -> None:
    """Kill earning at a named point, the second time that it passes it. Another process finishes."""
    await publish_orders(stack, store, 6_000, customers=50)
    await dies(await start(stack, dying=("earning", point, "2")))
    async with healthy(stack):
        await assert_consumed_exactly(stack, store, 6_000)


async def _check_ledger(stack: Stack, store: str, orders: int) -> dict[str, int]:
    """Returns the last sequence of each customer, once the outbox is empty."""
    connection = await asyncpg.connect(stack.database("earning", owner=True))
    try:
        balance = await connection.fetchval(
            "SELECT sum(balance) FROM accounts WHERE store_id = $1", store
        )
        assert balance == orders * POINTS_PER_ORDER
        entries = await connection.fetchval(
            "SELECT count(*) FROM entries WHERE store_id = $1", store
        )
        assert entries == orders
        assert await ledger_faults(connection) == []

        async def outbox_is_empty() -> bool:
            return await connection.fetchval("SELECT count(*) FROM outbox") == 0

        await eventually(outbox_is_empty)
        rows = await connection.fetch(
            "SELECT customer_id, sequence FROM accounts WHERE store_id = $1", store
        )
    finally:
        await connection.close()
    return {row["customer_id"]: row["sequence"] for row in rows}


async def _published_sequences(stack: Stack, store: str) -> dict[str, list[int]]:
    """The sequences published on points.earned by customer, in the order of the topic."""
    sequences: dict[str, list[int]] = {}
    for record in await read_all(stack.kafka, POINTS_EARNED):
        event = json.loads(record.value)
        if event["store_id"] == store:
            sequences.setdefault(event["customer_id"], []).append(event["sequence"])
    return sequences
