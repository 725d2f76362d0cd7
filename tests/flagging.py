"""Earnings told as earning tells them, and what is flagged of them, as tests use them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from libs.contracts.topics import POINTS_EARNED
from libs.kernel.clock import format_time
from libs.kernel.ids import new_id
from libs.testing.eventually import eventually
from tests.support import Shop

# Yesterday at noon: far from midnight, and in the past for whoever checks.
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)

Told = dict[str, Any]


def told(shop: Shop, customer_id: str, points: int, second: float, **changes: object) -> Told:
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


async def tell(shop: Shop, *events: Told) -> None:
    for one in events:
        await shop.publish(one, topic=POINTS_EARNED)


async def listed(shop: Shop, query: str = "") -> list[Any]:
    answer = await shop.call("GET", f"loyalty/anomalies?limit=100{query}")
    assert answer.status == 200, answer.raw
    assert answer.json["total"] == len(answer.json["data"])
    return answer.json["data"]


async def become(shop: Shop, *descriptions: str, query: str = "") -> list[Any]:
    """Wait until the list has these descriptions, in any order; answers it."""

    async def look() -> list[Any]:
        found = await listed(shop, query)
        assert sorted(one["description"] for one in found) == sorted(descriptions)
        return found

    return await eventually(look, within_seconds=10)


async def heard(shop: Shop) -> None:
    """Wait until anomaly has heard everything so far: another customer's burst is flagged."""
    customer = new_id("heard")
    await tell(shop, *(told(shop, customer, 1, 86_000 + n / 10) for n in range(10)))

    async def look() -> None:
        assert await listed(shop, f"&customer_id={customer}")

    await eventually(look, within_seconds=10)


async def of(shop: Shop, customer: str) -> list[tuple[Any, ...]]:
    """What is flagged of a customer, without what differs from run to run."""
    return sorted(
        (one["type"], one["description"], one["points_involved"], len(one["transaction_ids"]))
        for one in await listed(shop, f"&customer_id={customer}")
    )


async def patch(shop: Shop, anomaly: Any, body: object, **more: Any) -> Any:
    return await shop.call("PATCH", f"loyalty/anomalies/{anomaly['id']}", body, **more)


async def flagged(shop: Shop, customer: str = "cust_1") -> Any:
    """A pending anomaly of a customer's own."""
    await tell(shop, *(told(shop, customer, 100, n) for n in range(10)))

    async def look() -> Any:
        found = await listed(shop, f"&customer_id={customer}")
        assert [one["description"] for one in found] == ["10 point transactions in 1 minute"]
        return found[0]

    return await eventually(look, within_seconds=10)
