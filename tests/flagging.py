"""Earnings as the ledger publishes them, and what is flagged of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from libs.contracts.topics import POINTS_EARNED
from libs.kernel.clock import format_time
from libs.kernel.ids import new_id
from libs.testing.eventually import eventually
from tests.support import Shop

# Yesterday at noon: far from midnight, and in the past at any hour of today.
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)

Event = dict[str, Any]


def earned(shop: Shop, customer_id: str, points: int, second: float, **changes: object) -> Event:
    """An event of points.earned, `second` seconds after yesterday's noon."""
    at = format_time(NOON + timedelta(seconds=second))
    return {
        "store_id": shop.store_id,
        "transaction_id": new_id("txn"),
        "customer_id": customer_id,
        "sequence": 1,
        "type": "earn",
        "points": points,
        "balance_after": points,
        "lifetime_after": points,
        "reason": "Order #1",
        "occurred_at": at,
        "created_at": at,
        **changes,
    }


async def publish(shop: Shop, *events: Event) -> None:
    for event in events:
        await shop.publish(event, topic=POINTS_EARNED)


async def list_anomalies(shop: Shop, query: str = "") -> list[Any]:
    response = await shop.call("GET", f"loyalty/anomalies?limit=100{query}")
    assert response.status == 200, response.raw
    assert response.json["total"] == len(response.json["data"])
    return response.json["data"]


async def wait_for_descriptions(shop: Shop, *descriptions: str, query: str = "") -> list[Any]:
    """Wait until the list has these descriptions, in any order; returns the list."""

    async def look() -> list[Any]:
        anomalies = await list_anomalies(shop, query)
        assert sorted(one["description"] for one in anomalies) == sorted(descriptions)
        return anomalies

    return await eventually(look)


async def wait_until_judged(shop: Shop) -> None:
    """Wait until everything published so far is judged: a burst published after it is flagged."""
    customer = new_id("last")
    await publish(shop, *(earned(shop, customer, 1, 86_000 + n / 10) for n in range(10)))

    async def look() -> None:
        assert await list_anomalies(shop, f"&customer_id={customer}")

    await eventually(look)


async def flags_of(shop: Shop, customer: str) -> list[tuple[Any, ...]]:
    """A customer's anomalies, without the values that differ from run to run."""
    return sorted(
        (one["type"], one["description"], one["points_involved"], len(one["transaction_ids"]))
        for one in await list_anomalies(shop, f"&customer_id={customer}")
    )


async def patch(shop: Shop, anomaly: Any, body: object, **more: Any) -> Any:
    return await shop.call("PATCH", f"loyalty/anomalies/{anomaly['id']}", body, **more)


async def flagged(shop: Shop, customer: str = "cust_1") -> Any:
    """A pending anomaly of the customer: a new burst."""
    await publish(shop, *(earned(shop, customer, 100, n) for n in range(10)))

    async def look() -> Any:
        anomalies = await list_anomalies(shop, f"&customer_id={customer}")
        assert [one["description"] for one in anomalies] == ["10 point transactions in 1 minute"]
        return anomalies[0]

    return await eventually(look)
