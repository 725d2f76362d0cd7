"""Anomaly killed at each step of a batch: every burst flagged once, every version told in order."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from libs.contracts.topics import ANOMALY_FLAGGED, POINTS_EARNED, record_key
from libs.kernel.clock import format_time
from libs.kernel.ids import new_id
from libs.testing.eventually import eventually
from tests.bench.servers import servers
from tests.chaos.alone import dies, healthy, start
from tests.chaos.killable import POINTS
from tests.support import Stack, follow

BURSTS = 300
# As many beside, with one earning too few.
CALM = 300
IN_BURST = 12
EARNINGS = BURSTS * IN_BURST + CALM * 9
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def alone() -> Iterator[Stack]:
    """Servers without services: these tests start and kill their own."""
    with servers() as stack:
        yield stack


async def publish(stack: Stack, store: str) -> None:
    """The earnings of all customers, round by round."""
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka, linger_ms=20) as producer:
        sent = []
        for number in range(IN_BURST):
            at = format_time(NOON + timedelta(seconds=10 * number))
            for customer in customers(number):
                event = {
                    "store_id": store,
                    "transaction_id": new_id("txn"),
                    "customer_id": customer,
                    "sequence": number + 1,
                    "type": "earn",
                    "points": 5,
                    "balance_after": 5,
                    "lifetime_after": 5,
                    "reason": "Order #1",
                    "occurred_at": at,
                    "created_at": at,
                }
                key, value = record_key(store, customer), json.dumps(event).encode()
                sent.append(await producer.send(POINTS_EARNED, value, key=key))
        await asyncio.gather(*sent)


def customers(number: int) -> list[str]:
    calm = [f"calm_{n}" for n in range(CALM)] if number < 9 else []
    return [f"burst_{n}" for n in range(BURSTS)] + calm


async def flagged_once(stack: Stack, store: str) -> bool:
    """Every earning recorded, and exactly one whole anomaly for each burst; False before that."""
    connection = await asyncpg.connect(stack.database("anomaly"))
    try:
        recorded = await connection.fetchval(
            "SELECT count(*) FROM earnings WHERE store_id = $1", store
        )
        rows = await connection.fetch(
            "SELECT customer_id, cardinality(transaction_ids) AS size, status FROM anomalies "
            "WHERE store_id = $1",
            store,
        )
        waiting = await connection.fetchval("SELECT count(*) FROM outbox")
    finally:
        await connection.close()
    assert recorded <= EARNINGS
    assert len({row["customer_id"] for row in rows}) == len(rows), "a burst was flagged twice"
    assert all(row["customer_id"].startswith("burst_") for row in rows)
    whole = [row for row in rows if row["size"] == IN_BURST and row["status"] == "pending_review"]
    return recorded == EARNINGS and len(whole) == BURSTS and waiting == 0


async def told_in_order(stack: Stack, store: str) -> None:
    """Each version of each anomaly was told, at least once and never before the one before it."""
    passed: dict[str, int] = {}
    size: dict[str, int] = {}
    async for record in follow(stack.kafka, ANOMALY_FLAGGED, seconds=4):
        event = json.loads(record.value)
        if event["store_id"] != store:
            continue
        last = passed.get(event["id"], 0)
        assert event["version"] <= last + 1, f"{event['id']}: {event['version']} after {last}"
        if event["version"] > last:
            passed[event["id"]] = event["version"]
            size[event["id"]] = len(event["transaction_ids"])
    assert sorted(size.values()) == [IN_BURST] * BURSTS


@pytest.mark.parametrize("point", POINTS["anomaly"])
async def test_killed_at_a_named_point(alone: Stack, point: str) -> None:
    store = f"store_{secrets.token_hex(5)}"
    await publish(alone, store)
    nth = "1" if point == "published, not removed" else "2"
    await dies(await start(alone, "anomaly", dying=("anomaly", point, nth)), within_seconds=90)
    assert not await flagged_once(alone, store), "it was killed after its work"
    async with healthy(alone, "anomaly"):
        await eventually(lambda: flagged_once(alone, store), within_seconds=60)
        await told_in_order(alone, store)
