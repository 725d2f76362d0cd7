"""Earnings with bursts for anomaly, and the checks that each burst was flagged and published once."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta

import asyncpg
from aiokafka import AIOKafkaProducer

from libs.contracts.topics import ANOMALY_FLAGGED, POINTS_EARNED, record_key
from libs.kernel.clock import format_time
from libs.kernel.ids import new_id
from libs.testing.eventually import eventually
from tests.chaos.alone import dies, healthy, start
from tests.reading import read_all
from tests.support import Stack

BURSTS = 300
EARNINGS_IN_BURST = 12
# As many customers stay one earning below the detector's threshold of ten.
CALM_CUSTOMERS = 300
CALM_EARNINGS = 9
EARNINGS = BURSTS * EARNINGS_IN_BURST + CALM_CUSTOMERS * CALM_EARNINGS
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


async def assert_flagged_once_after_a_kill(stack: Stack, point: str, *, nth: int) -> None:
    """Kill anomaly the nth time that it passes a named point. Another process finishes the work."""
    store = f"store_{secrets.token_hex(5)}"
    await _publish_earnings(stack, store)
    killed = await start(stack, "anomaly", dying=("anomaly", point, str(nth)))
    await dies(killed, within_seconds=90)
    assert not await _all_are_flagged(stack, store), "the process was killed after its work"
    async with healthy(stack, "anomaly"):
        await eventually(lambda: _all_are_flagged(stack, store))
        await _assert_published_in_order(stack, store)


async def _publish_earnings(stack: Stack, store: str) -> None:
    """Publish the earnings of all customers, one earning per customer and round."""
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka, linger_ms=20) as producer:
        acknowledgments = []
        for number in range(EARNINGS_IN_BURST):
            at = format_time(NOON + timedelta(seconds=10 * number))
            for customer in _customers_of_round(number):
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
                acknowledgments.append(await producer.send(POINTS_EARNED, value, key=key))
        await asyncio.gather(*acknowledgments)


def _customers_of_round(number: int) -> list[str]:
    calm = [f"calm_{n}" for n in range(CALM_CUSTOMERS)] if number < CALM_EARNINGS else []
    return [f"burst_{n}" for n in range(BURSTS)] + calm


async def _all_are_flagged(stack: Stack, store: str) -> bool:
    """Whether all earnings are recorded and each burst has one complete anomaly. Fails as soon as a
    burst has two, or a calm customer has one."""
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
        unpublished = await connection.fetchval("SELECT count(*) FROM outbox")
    finally:
        await connection.close()
    assert recorded <= EARNINGS
    assert len({row["customer_id"] for row in rows}) == len(rows), "a burst was flagged twice"
    assert all(row["customer_id"].startswith("burst_") for row in rows)
    complete = [
        row
        for row in rows
        if row["size"] == EARNINGS_IN_BURST and row["status"] == "pending_review"
    ]
    return recorded == EARNINGS and len(complete) == BURSTS and unpublished == 0


async def _assert_published_in_order(stack: Stack, store: str) -> None:
    """Each version of each anomaly was published at least once, and never before its predecessor."""
    newest: dict[str, int] = {}
    size: dict[str, int] = {}
    for record in await read_all(stack.kafka, ANOMALY_FLAGGED):
        event = json.loads(record.value)
        if event["store_id"] != store:
            continue
        last = newest.get(event["id"], 0)
        assert event["version"] <= last + 1, f"{event['id']}: {event['version']} after {last}"
        if event["version"] > last:
            newest[event["id"]] = event["version"]
            size[event["id"]] = len(event["transaction_ids"])
    assert sorted(size.values()) == [EARNINGS_IN_BURST] * BURSTS
