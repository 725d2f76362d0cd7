"""Hostile records in masses: every good one is posted, every bad one is kept, nothing stops."""

import asyncio
import json
import random

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer

from libs.contracts.topics import ORDER_COMPLETED, dead_letter_topic, record_key
from libs.testing.eventually import eventually
from tests.support import Shop

HOSTILE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe",
    b'{"store_id": 1}',
    b'{"total": NaN}',
    b"[" * 2_000,
    b'{"store_id": "' + b"x" * 3_000 + b'"}',
]


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(10_000),
        pytest.param(200_000, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
    ],
)
async def test_as_many_hostile_records_as_good_ones(shop: Shop, each: int) -> None:
    await shop.program(tiers=[])
    seed = random.randrange(10**6)
    print("seed", seed)
    choose = random.Random(seed)
    before = await dead_letters(shop)
    for start in range(0, each, 5_000):
        batch = [good(shop, number) for number in range(start, start + 5_000)]
        batch += [bad(shop, choose) for _ in range(5_000)]
        choose.shuffle(batch)
        sent = [
            await shop._producer.send(ORDER_COMPLETED, value, key=key, headers=[("h", b"\xff")])
            for key, value in batch
        ]
        await asyncio.gather(*sent)

    async def all_posted() -> None:
        connection = await asyncpg.connect(shop.stack.database("earning"))
        try:
            posted = await connection.fetchval(
                "SELECT sum(balance) FROM accounts WHERE store_id = $1", shop.store_id
            )
        finally:
            await connection.close()
        assert posted == each * 10, posted

    await eventually(all_posted, within_seconds=30 + each / 2_000, every=0.5)
    async with asyncio.timeout(60):
        await shop.stack.drained()
    assert await dead_letters(shop) - before == each


def good(shop: Shop, number: int) -> tuple[bytes, bytes]:
    customer = f"cust_{number % 1_000}"
    order = shop.order(f"o{number}", customer_id=customer, total="1.00")
    return record_key(shop.store_id, customer), json.dumps(order).encode()


def bad(shop: Shop, choose: random.Random) -> tuple[bytes, bytes]:
    customer = f"cust_{choose.randrange(1_000)}"
    if choose.random() < 0.5:
        return record_key(shop.store_id, customer), choose.choice(HOSTILE)
    broken = shop.order(
        "bad",
        customer_id=choose.choice(["a b", "", "x" * 200]),
        total=choose.choice(["-1", "NaN", "1e400", "5"]),
    )
    return record_key(shop.store_id, customer), json.dumps(broken).encode()


async def dead_letters(shop: Shop) -> int:
    """How many the orders' dead-letter topic has."""
    async with AIOKafkaConsumer(
        dead_letter_topic(ORDER_COMPLETED), bootstrap_servers=shop.stack.kafka
    ) as consumer:
        return sum((await consumer.end_offsets(consumer.assignment())).values())
