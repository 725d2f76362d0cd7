"""The scenario that records the reference's examples: requests to a running system, and its responses."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct

from libs.contracts.operations import CLOUD_EVENT, CLOUD_EVENTS, JSON, OPERATIONS
from libs.kernel.clock import format_time, parse_time, utc_now
from tools.docs.openapi import Example, Examples

_BY_ID: Final = {operation.id: operation for operation in OPERATIONS}
# Enough requests to exceed the rate limit of a key.
_OVER_LIMIT: Final = 300
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

# Of the key that calls most operations.
SCOPES: Final = "read,earn,redeem,manage,admin"


class Keys(Struct, frozen=True, kw_only=True):
    """Keys of a new store: with all scopes, with the scope read, and one to exceed its rate limit."""

    full: str
    read_only: str
    rate_limited: str


class Recorder:
    """Calls the API at `gateway`, and records the first success of each operation and the first
    problem of each code."""

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
        """Call an operation; returns the decoded response."""
        operation = _BY_ID[name]
        headers = {"Authorization": f"Bearer {self.keys.full if key is None else key}"}
        if body is not None:
            headers["Content-Type"] = media_type
        url = f"{self._gateway}/v1/stores/me/{operation.path.replace('{id}', subject)}{query}"
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self._session.request(
            operation.method, url, data=None if body is None else data, headers=headers
        ) as response:
            raw = await response.read()
            if response.status == _RATE_LIMITED:
                # A backtest counts as a hundred requests.
                await asyncio.sleep(int(response.headers["Retry-After"]))
                return await self.call(
                    name, body, subject=subject, query=query, media_type=media_type, key=key
                )
            content = msgspec.json.decode(raw) if raw else None
            if response.status == operation.status:
                example = Example(
                    media_type=media_type,
                    request=None if body is None else msgspec.json.decode(data),
                    response=content,
                )
                self.operations.setdefault(name, example)
            elif isinstance(content, dict):
                self.problems.setdefault(content["code"], content)
            return content


async def run(recorder: Recorder) -> Examples:
    """Run the scenario; the store must be new."""
    for part in (_system, _earning, _catalog, _redemption, _anomaly, _lifecycle, _clock):
        await part(recorder)
    return Examples(
        dict(sorted(recorder.operations.items())), dict(sorted(recorder.problems.items()))
    )


async def _system(recorder: Recorder) -> None:
    await recorder.call("getKey")
    await _until(
        recorder,
        "getPipeline",
        lambda content: (
            all(service["ready"] for service in content["services"])
            and all(step["seconds_behind"] is not None for step in content["steps"])
        ),
    )


async def _earning(recorder: Recorder) -> None:
    award = {"customer_id": CUSTOMER, "points": 500, "reason": "Birthday bonus"}
    await recorder.call("earn", award)
    settings = {
        "expiry": {"kind": "after", "months": 12, "round": "quarter"},
        "remind_days": [30, 7],
        "pending": {"days": 14},
    }
    await recorder.call("previewNewProgram", {**_PROGRAM, **settings})
    program = await recorder.call("createProgram", _PROGRAM)
    await recorder.call("listPrograms")
    await recorder.call("getProgram", subject=program["id"])
    earned = await recorder.call("earn", award)
    change = {"points_per_dollar": 15, "version": program["version"]}
    await recorder.call("previewProgram", {**change, **settings}, subject=program["id"])
    await recorder.call("updateProgram", change, subject=program["id"])
    await recorder.call("listProgramVersions", subject=program["id"])
    await _waiting(recorder)
    await _orders(recorder)
    promotion = [
        {"customer_id": customer, "points": 200, "reason": "Spring promotion"}
        for customer in (CUSTOMER, "cust def456")
    ]
    await recorder.call("earnBatch", {"items": promotion})
    correction = {"customer_id": CUSTOMER, "points": -50, "reason": "Entered twice"}
    await recorder.call("adjust", correction)
    await recorder.call("adjust", {**correction, "points": -50_000})
    await recorder.call("getCustomer", subject=CUSTOMER)
    await recorder.call("listCustomers", query="?tier=Bronze")
    await recorder.call("getTransaction", subject=earned["id"])
    await recorder.call("listTransactions", query=f"?customer_id={CUSTOMER}&limit=2")
    await _until(recorder, "getSummary", lambda content: bool(content["days"]))
    note = {"status": "suspended", "note": "Under review"}
    await recorder.call("updateCustomer", note, subject=CUSTOMER)
    await recorder.call("earn", award)
    await _refusals(recorder)


async def _orders(recorder: Recorder) -> None:
    """A valid order over REST, and an invalid one."""
    order = {
        "order_id": "1042",
        "order_number": "1042",
        "customer_id": CUSTOMER,
        "total": "50.00",
        "currency": "USD",
        "completed_at": "2026-03-10T12:00:00Z",
    }
    envelopes = [
        _envelope(f"evt-{number}", data)
        for number, data in enumerate((order, {**order, "order_id": "1043", "total": "-1"}))
    ]
    await recorder.call("sendEvents", envelopes, media_type=CLOUD_EVENTS)
    await _until(recorder, "listTransactions", lambda content: content["total"] >= 2, "?type=earn")
    conflict = {**envelopes[0], "id": "evt-3", "data": {**order, "total": "60.00"}}
    await recorder.call("sendEvents", [conflict], media_type=CLOUD_EVENTS)
    letters = await _until(recorder, "listDeadLetters", lambda content: content["total"] == 1)
    letter = letters["data"][0]["id"]
    await recorder.call("getDeadLetter", subject=letter)
    await recorder.call("listOrders", query="?order_id=1042")
    await recorder.call("replayDeadLetters", {"ids": [letter]})
    letters = await _until(recorder, "listDeadLetters", lambda content: content["total"] == 1)
    await recorder.call("replayDeadLetter", subject=letters["data"][0]["id"])
    letters = await _until(recorder, "listDeadLetters", lambda content: content["total"] == 1)
    await recorder.call("dropDeadLetter", subject=letters["data"][0]["id"])


async def _waiting(recorder: Recorder) -> None:
    """A skipped order, its refund, which waits, and the check that posts both."""
    order = {
        "order_id": "1044",
        "order_number": "1044",
        "customer_id": CUSTOMER,
        "total": "80.00",
        "currency": "EUR",
        "completed_at": "2026-03-10T12:00:00Z",
    }
    refund = {
        "order_id": "1044",
        "customer_id": CUSTOMER,
        "refund_id": "r-1",
        "amount": "20.00",
        "refunded_at": "2026-03-11T12:00:00Z",
    }
    envelopes = [
        {"specversion": "1.0", "id": f"evt-{type_}", "source": "/shop", "type": type_, "data": data}
        for type_, data in (("order.completed", order), ("order.refunded", refund))
    ]
    await recorder.call("sendEvents", envelopes, media_type=CLOUD_EVENTS)
    await _until(recorder, "listRefunds", lambda content: content["total"] == 1)
    await _until(recorder, "listOrders", lambda content: content["total"] == 1, "?order_id=1044")
    await recorder.call("recheckOrders", {"order_ids": ["1044"]})


async def _refusals(recorder: Recorder) -> None:
    """The problems that every operation can have."""
    award = {"customer_id": CUSTOMER, "points": 500, "reason": "Birthday bonus"}
    await recorder.call("listPrograms", key="wk_live_unknown_unknown_unknown")
    await recorder.call("earn", award, key=recorder.keys.read_only)
    await recorder.call("getCustomer", subject="cust_nobody")
    await recorder.call("earn", b" " * 70_000)
    await recorder.call("earn", award, media_type="text/plain")
    await recorder.call("earn", {**award, "points": 0, "reason": ""})
    async with asyncio.TaskGroup() as group:
        for _ in range(_OVER_LIMIT):
            group.create_task(recorder.call("listPrograms", key=recorder.keys.rate_limited))


async def _catalog(recorder: Recorder) -> None:
    reward = {
        "name": "10% Off Next Order",
        "points_cost": 1000,
        "type": "discount",
        "value": {"percent": 10},
    }
    created = await recorder.call("createReward", reward)
    await recorder.call("getReward", subject=created["id"])
    await recorder.call("updateReward", {"stock": 100}, subject=created["id"])
    await recorder.call("listRewardVersions", subject=created["id"])
    await recorder.call("listRewards")
    deleted = await recorder.call("createReward", {**reward, "name": "Free Shipping"})
    await recorder.call("deleteReward", subject=deleted["id"])
    await recorder.call("createReward", {**reward, "id": deleted["id"]})


async def _redemption(recorder: Recorder) -> None:
    await recorder.call("updateCustomer", {"status": "active"}, subject=CUSTOMER)
    reward = {"name": "Free Shipping", "points_cost": 100, "type": "shipping"}
    created = await recorder.call("createReward", reward)
    redemption = {"customer_id": CUSTOMER, "reward_id": created["id"]}
    first = await recorder.call("redeem", redemption)
    second = await recorder.call("redeem", redemption)
    await recorder.call("redeem", {**redemption, "points_cost": 1})
    await recorder.call("getRedemption", subject=first["redemption_id"])
    await recorder.call("listRedemptions", query=f"?customer_id={CUSTOMER}")
    await recorder.call("useRedemption", subject=first["redemption_id"])
    await recorder.call("useRedemptionByCode", {"code": first["code"]})
    await recorder.call("cancelRedemption", subject=second["redemption_id"])
    future = {**reward, "name": "Early Access", "starts_at": "2100-01-01T00:00:00Z"}
    not_started = await recorder.call("createReward", future)
    await recorder.call("redeem", {**redemption, "reward_id": not_started["id"]})
    await recorder.call("redeem", {**redemption, "reward_id": "rwd_none"})


async def _anomaly(recorder: Recorder) -> None:
    award = {"customer_id": "cust_xyz789", "points": 500, "reason": "Referral"}
    for _ in range(_BURST):
        await recorder.call("earn", award)
    anomalies = await _until(
        recorder,
        "listAnomalies",
        lambda content: [len(each["transaction_ids"]) for each in content["data"]] == [_BURST],
    )
    subject = anomalies["data"][0]["id"]
    await recorder.call("getAnomaly", subject=subject)
    settings = await recorder.call("getAnomalySettings")
    stricter = {**settings, "rapid_earning": {**settings["rapid_earning"], "count": 5}}
    await recorder.call("updateAnomalySettings", stricter)
    today = utc_now().date()
    days = {"from": str(today - timedelta(days=1)), "to": str(today)}
    await recorder.call("backtestAnomalySettings", {"settings": settings, **days})
    resolution = {"status": "resolved", "resolution": "approved", "note": "Our own campaign"}
    await recorder.call("updateAnomaly", resolution, subject=subject)
    await recorder.call("updateAnomaly", resolution, subject=subject)


async def _lifecycle(recorder: Recorder) -> None:
    """Points that expire, and an order whose points wait."""
    program = (await recorder.call("listPrograms"))["data"][0]
    settings = {"expiry": {"kind": "after", "months": 12}, "pending": {"days": 14}}
    await recorder.call("updateProgram", settings, subject=program["id"])
    await recorder.call("listExpirations", subject=CUSTOMER)
    order = {
        "order_id": "1045",
        "order_number": "1045",
        "customer_id": CUSTOMER,
        "total": "30.00",
        "currency": "USD",
        "completed_at": format_time(utc_now()),
    }
    await recorder.call("sendEvents", _envelope("evt-1045", order), media_type=CLOUD_EVENT)
    await _until(
        recorder, "listPendingPoints", lambda content: content["total"] == 1, subject=CUSTOMER
    )
    await recorder.call("releaseOrder", {"order_id": "1045"})
    forecast = "?days=366"
    await _until(recorder, "getExpirationForecast", lambda content: bool(content["data"]), forecast)


def _envelope(id_: str, order: dict[str, str]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "/shop/checkout",
        "type": "order.completed",
        "data": order,
    }


async def _clock(recorder: Recorder) -> None:
    clock = await recorder.call("getClock")
    next_year = parse_time(clock["now"]) + timedelta(days=365)
    await recorder.call("moveClock", {"now": format_time(next_year)})


async def _until(
    recorder: Recorder,
    name: str,
    is_expected: Callable[[Any], bool],
    query: str = "",
    *,
    subject: str = "",
) -> Any:
    """Repeat a call until its response is the expected one, and record that one."""
    async with asyncio.timeout(20):
        while True:
            content = await recorder.call(name, query=query, subject=subject)
            if is_expected(content):
                return content
            del recorder.operations[name]
            await asyncio.sleep(0.2)
