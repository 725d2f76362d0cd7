"""Earning and anomaly killed between what people decide and its effect: once, or once after it."""

import asyncio
import json

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from libs.contracts.groups import EARNING_RESOLUTIONS
from libs.contracts.topics import ANOMALY_RESOLVED, ORDER_COMPLETED, record_key
from libs.kernel.ids import new_id
from libs.testing.eventually import eventually
from tests.bench.servers import Lag
from tests.chaos.alone import dies, healthy, new_store, start
from tests.support import Shop, Stack, ledger_faults

CUSTOMERS = 40

# What a customer has after awards of ten points in all and the resolution of their anomaly: balance,
# status, void entries.
AFTER = {"voided": (0, "active", 1), "suspended": (10, "suspended", 0)}


def choice(number: int) -> str:
    return ("voided", "suspended")[number % 2]


async def fetch(stack: Stack, query: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(stack.database("earning"))
    try:
        return list(await connection.fetch(query, *values))
    finally:
        await connection.close()


async def give_awards(stack: Stack, store: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka) as producer:
        for number in range(CUSTOMERS):
            order = {
                "store_id": store,
                "order_id": f"o{number}",
                "customer_id": f"cust_{number}",
                "total": "1.00",
                "currency": "USD",
                "completed_at": "2026-03-10T12:00:00Z",
            }
            key = record_key(store, f"cust_{number}")
            await producer.send(ORDER_COMPLETED, json.dumps(order).encode(), key=key)
        await producer.flush()

    async def all_posted() -> None:
        assert (
            len(await fetch(stack, "SELECT FROM accounts WHERE store_id = $1", store)) == CUSTOMERS
        )

    async with healthy(stack):
        await eventually(all_posted)


_AWARDS = """
SELECT a.customer_id, e.id FROM entries e JOIN accounts a ON a.id = e.account_id
WHERE e.store_id = $1
"""


async def publish_resolutions(stack: Stack, store: str) -> None:
    """One anomaly for each customer, resolved, and published twice as its relay may do."""
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka) as producer:
        for row in await fetch(stack, _AWARDS, store):
            event = {
                "store_id": store,
                "id": new_id("anom"),
                "version": 2,
                "customer_id": row["customer_id"],
                "type": "unusual_amount",
                "description": "Single earning of 10 points (10x normal)",
                "points_involved": 10,
                "status": "resolved",
                "resolution": choice(int(row["customer_id"].removeprefix("cust_"))),
                "flagged_at": "2026-03-10T12:00:01.000Z",
                "resolved_at": "2026-03-10T12:00:02.000Z",
                "reviewed_by": "Ada",
                "transaction_ids": [f"txn_{row['id']}"],
            }
            key = record_key(store, row["customer_id"])
            for _ in range(2):
                await producer.send(ANOMALY_RESOLVED, json.dumps(event).encode(), key=key)
        await producer.flush()


_STATES = """
SELECT a.customer_id, a.balance, a.suspended,
       (SELECT count(*) FROM entries e WHERE e.account_id = a.id AND e.type = 'void') AS voids
FROM accounts a WHERE a.store_id = $1
"""


async def carried_out(stack: Stack, store: str) -> None:
    for row in await fetch(stack, _STATES, store):
        number = int(row["customer_id"].removeprefix("cust_"))
        status = "suspended" if row["suspended"] else "active"
        assert (row["balance"], status, row["voids"]) == AFTER[choice(number)], row
    assert await fetch(stack, "SELECT FROM outbox") == []


@pytest.mark.parametrize(
    "point", ["locked, not written", "committed, offset not", "published, not removed"]
)
async def test_earning_killed_at_a_named_point(bare_stack: Stack, point: str) -> None:
    store = await new_store(bare_stack)
    await give_awards(bare_stack, store)
    await publish_resolutions(bare_stack, store)
    await dies(await start(bare_stack, dying=("earning", point, "1")))
    async with healthy(bare_stack):
        await eventually(lambda: carried_out(bare_stack, store), every=0.2)
        # Every redelivered event was known, and skipped.
        async with Lag(
            bare_stack, topic=ANOMALY_RESOLVED, group=EARNING_RESOLUTIONS.name
        ) as remaining:

            async def nothing_is_left() -> bool:
                return await remaining() == 0

            await eventually(nothing_is_left, every=0.2)
        await carried_out(bare_stack, store)
    connection = await asyncpg.connect(bare_stack.database("earning", owner=True))
    faults = await ledger_faults(connection)
    await connection.close()
    assert faults == []


@pytest.mark.parametrize("victims", [("earning",), ("anomaly",), ("anomaly", "earning")])
async def test_killed_as_soon_as_a_person_decided(shop: Shop, victims: tuple[str, ...]) -> None:
    await shop.program()
    for resolution in AFTER:
        for _ in range(10):
            await shop.earn(resolution, 1)

    async def flagged() -> dict[str, str]:
        page = await shop.call("GET", "loyalty/anomalies")
        assert page.status == 200, page.raw
        assert [len(one["transaction_ids"]) for one in page.json["data"]] == [10, 10]
        return {one["customer_id"]: one["id"] for one in page.json["data"]}

    for resolution, anomaly in (await eventually(flagged)).items():
        body = {"status": "resolved", "resolution": resolution}
        response = await shop.call("PATCH", f"loyalty/anomalies/{anomaly}", body)
        assert response.status == 200, response.raw
    for victim in victims:
        shop.stack.kill(victim)

    async def flagged_are_listed() -> None:
        page = await shop.call("GET", "loyalty/anomalies")
        assert page.status == 200, page.raw

    async def once() -> None:
        for resolution, (balance, status, _) in AFTER.items():
            seen = await shop.status(resolution)
            assert seen is not None, "earning is away"
            assert (seen["points_balance"], seen["status"]) == (balance, status)
        entries = await shop.call("GET", "loyalty/transactions?type=void")
        assert entries.status == 200, entries.raw
        assert [one["points"] for one in entries.json["data"]] == [-10]

    await eventually(once, every=0.2)
    await asyncio.sleep(1)
    await once()
    # The next test needs everything running.
    await eventually(flagged_are_listed, every=0.2)
