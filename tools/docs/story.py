"""The examples of the reference: a story told to the running system, and what it answered."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct

from libs.contracts.operations import CLOUD_EVENTS, JSON, OPERATIONS
from libs.kernel.clock import utc_now
from tools.docs.openapi import Example, Examples

_BY_ID: Final = {operation.id: operation for operation in OPERATIONS}
# Enough to use up the allowance of a key at once.
_TOO_MANY: Final = 300
_RATE_LIMITED: Final = 429
_BURST: Final = 15

CUSTOMER: Final = "cust_abc123"
_PROGRAM: Final = {
    "name": "VIP Rewards",
    "points_per_dollar": 10,
    "tiers": [
        {"name": "Bronze", "min_points": 0, "multiplier": 1.0},
        {"name": "Silver", "min_points": 5000, "multiplier": 1.5},
        {"name": "Gold", "min_points": 15000, "multiplier": 2.0},
        {"name": "Platinum", "min_points": 50000, "multiplier": 3.0},
    ],
}


class Keys(Struct, frozen=True):
    """Keys of a fresh store: for everything, for reading alone, and one to wear out."""

    full: str
    reading: str
    spare: str


class Teller:
    """Calls the API at `gateway`; keeps the first success of each operation and the first problem of
    each code."""

    def __init__(self, session: aiohttp.ClientSession, gateway: str, keys: Keys) -> None:
        self._session = session
        self._gateway = gateway
        self.keys = keys
        self.operations: dict[str, Example] = {}
        self.problems: dict[str, Any] = {}

    async def call(
        self,
        name: str,
        body: Any = None,
        *,
        subject: str = "",
        query: str = "",
        media_type: str = JSON,
        key: str | None = None,
    ) -> Any:
        """Call an operation; answers what it answered."""
        operation = _BY_ID[name]
        headers = {"Authorization": f"Bearer {self.keys.full if key is None else key}"}
        if body is not None:
            headers["Content-Type"] = media_type
        url = f"{self._gateway}/v1/stores/me/{operation.path.replace('{id}', subject)}{query}"
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self._session.request(
            operation.method, url, data=None if body is None else data, headers=headers
        ) as answer:
            raw = await answer.read()
            if answer.status == _RATE_LIMITED:
                # A backtest weighs as much as a hundred requests.
                await asyncio.sleep(int(answer.headers["Retry-After"]))
                return await self.call(
                    name, body, subject=subject, query=query, media_type=media_type, key=key
                )
            told = msgspec.json.decode(raw) if raw else None
            if answer.status == operation.status:
                example = Example(
                    media_type=media_type,
                    request=None if body is None else msgspec.json.decode(data),
                    answer=told,
                )
                self.operations.setdefault(name, example)
            elif isinstance(told, dict):
                self.problems.setdefault(told["code"], told)
            return told


async def tell(teller: Teller) -> Examples:
    """Tell the story; the store must be fresh."""
    for story in (_earning, _catalog, _redemption, _anomaly):
        await story(teller)
    return Examples(dict(sorted(teller.operations.items())), dict(sorted(teller.problems.items())))


async def _earning(teller: Teller) -> None:
    award = {"customer_id": CUSTOMER, "points": 500, "reason": "Birthday bonus"}
    await teller.call("earn", award)
    program = await teller.call("createProgram", _PROGRAM)
    await teller.call("listPrograms")
    await teller.call("getProgram", subject=program["id"])
    earned = await teller.call("earn", award)
    await teller.call("updateProgram", {"points_per_dollar": 15}, subject=program["id"])
    await _orders(teller)
    promotion = [
        {"customer_id": customer, "points": 200, "reason": "Spring promotion"}
        for customer in (CUSTOMER, "cust def456")
    ]
    await teller.call("earnBatch", {"items": promotion})
    correction = {"customer_id": CUSTOMER, "points": -50, "reason": "Entered twice"}
    await teller.call("adjust", correction)
    await teller.call("adjust", {**correction, "points": -50_000})
    await teller.call("getCustomer", subject=CUSTOMER)
    await teller.call("listCustomers", query="?tier=Bronze")
    await teller.call("getTransaction", subject=earned["id"])
    await teller.call("listTransactions", query=f"?customer_id={CUSTOMER}&limit=2")
    await _until(teller, "getSummary", lambda told: bool(told["days"]))
    note = {"status": "suspended", "note": "Under review"}
    await teller.call("updateCustomer", note, subject=CUSTOMER)
    await teller.call("earn", award)
    await _refusals(teller)


async def _orders(teller: Teller) -> None:
    """An order over REST, and one that is none."""
    order = {
        "order_id": "1042",
        "order_number": "1042",
        "customer_id": CUSTOMER,
        "total": "50.00",
        "currency": "USD",
        "completed_at": "2026-03-10T12:00:00Z",
    }
    envelopes = [
        {
            "specversion": "1.0",
            "id": f"evt-{number}",
            "source": "/shop/checkout",
            "type": "order.completed",
            "data": data,
        }
        for number, data in enumerate((order, {**order, "order_id": "1043", "total": "-1"}))
    ]
    await teller.call("sendEvents", envelopes, media_type=CLOUD_EVENTS)
    await _until(teller, "listTransactions", lambda told: told["total"] >= 2, "?type=earn")


async def _refusals(teller: Teller) -> None:
    """What any operation may be refused for."""
    award = {"customer_id": CUSTOMER, "points": 500, "reason": "Birthday bonus"}
    await teller.call("listPrograms", key="wk_live_unknown_unknown_unknown")
    await teller.call("earn", award, key=teller.keys.reading)
    await teller.call("getCustomer", subject="cust_nobody")
    await teller.call("earn", b" " * 70_000)
    await teller.call("earn", award, media_type="text/plain")
    await teller.call("earn", {**award, "points": 0, "reason": ""})
    async with asyncio.TaskGroup() as many:
        for _ in range(_TOO_MANY):
            many.create_task(teller.call("listPrograms", key=teller.keys.spare))


async def _catalog(teller: Teller) -> None:
    reward = {
        "name": "10% Off Next Order",
        "points_cost": 1000,
        "type": "discount",
        "value": {"percent": 10},
    }
    made = await teller.call("createReward", reward)
    await teller.call("getReward", subject=made["id"])
    await teller.call("updateReward", {"stock": 100}, subject=made["id"])
    await teller.call("listRewards")
    gone = await teller.call("createReward", {**reward, "name": "Free Shipping"})
    await teller.call("deleteReward", subject=gone["id"])
    await teller.call("createReward", {**reward, "id": gone["id"]})


async def _redemption(teller: Teller) -> None:
    await teller.call("updateCustomer", {"status": "active"}, subject=CUSTOMER)
    reward = {"name": "Free Shipping", "points_cost": 100, "type": "shipping"}
    made = await teller.call("createReward", reward)
    wish = {"customer_id": CUSTOMER, "reward_id": made["id"]}
    first = await teller.call("redeem", wish)
    second = await teller.call("redeem", wish)
    await teller.call("redeem", {**wish, "points_cost": 1})
    await teller.call("getRedemption", subject=first["redemption_id"])
    await teller.call("listRedemptions", query=f"?customer_id={CUSTOMER}")
    await teller.call("useRedemption", subject=first["redemption_id"])
    await teller.call("cancelRedemption", subject=second["redemption_id"])
    later = {**reward, "name": "Early Access", "starts_at": "2100-01-01T00:00:00Z"}
    not_yet = await teller.call("createReward", later)
    await teller.call("redeem", {**wish, "reward_id": not_yet["id"]})
    await teller.call("redeem", {**wish, "reward_id": "rwd_none"})


async def _anomaly(teller: Teller) -> None:
    award = {"customer_id": "cust_xyz789", "points": 500, "reason": "Referral"}
    for _ in range(_BURST):
        await teller.call("earn", award)
    found = await _until(
        teller,
        "listAnomalies",
        lambda told: [len(one["transaction_ids"]) for one in told["data"]] == [_BURST],
    )
    subject = found["data"][0]["id"]
    await teller.call("getAnomaly", subject=subject)
    settings = await teller.call("getAnomalySettings")
    stricter = {**settings, "rapid_earning": {**settings["rapid_earning"], "count": 5}}
    await teller.call("updateAnomalySettings", stricter)
    today = utc_now().date()
    days = {"from": str(today - timedelta(days=1)), "to": str(today)}
    await teller.call("backtestAnomalySettings", {"settings": settings, **days})
    settled = {"status": "resolved", "resolution": "approved", "note": "A campaign of ours"}
    await teller.call("updateAnomaly", settled, subject=subject)
    await teller.call("updateAnomaly", settled, subject=subject)


async def _until(teller: Teller, name: str, holds: Callable[[Any], bool], query: str = "") -> Any:
    """Ask until the answer is as it will be soon, and keep that one."""
    async with asyncio.timeout(20):
        while True:
            told = await teller.call(name, query=query)
            if holds(told):
                return told
            del teller.operations[name]
            await asyncio.sleep(0.2)
