"""What the demo's shop and the person who runs its program do over REST, in addition to sending orders."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp

from libs.kernel.clock import format_time
from tools.demo.recent import CASES, HELD, ORDINARY
from tools.stack import seed
from tools.stack.errors import StackError

# By this order a later run sees that the cases were published.
_CASE: Final = "recent-gift-card"
_DEADLINE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.2
_REDEEMED: Final = (("rwd_002", 500), ("rwd_001", 1_000), ("rwd_mug", 800))
_NOT_FOUND, _CONFLICT = 404, 409


class Api:
    """The API of the demo's store. Every write has a fixed idempotency key, so that an interrupted run
    can be repeated."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str) -> Any:
        """The body of the response, or None where there is no such thing."""
        async with self._session.get(path, raise_for_status=_raise_unless(_NOT_FOUND)) as response:
            return None if response.status == _NOT_FOUND else await response.json()

    async def write(self, method: str, path: str, body: dict[str, Any], *, key: str) -> Any:
        """The body of the response; a conflict means that an earlier run did it."""
        headers = {"Idempotency-Key": f"demo-{key}"}
        async with self._session.request(
            method, path, json=body, headers=headers, raise_for_status=_raise_unless(_CONFLICT)
        ) as response:
            return await response.json()

    async def wait_for(self, path: str) -> Any:
        """The body once there is one; raises StackError."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while True:
            body = await self.get(path)
            if body is not None:
                return body
            if time.monotonic() > deadline:
                raise StackError(
                    f"Nothing is at {path} after {_DEADLINE_SECONDS:.0f} s: `make status` shows what lags."
                )
            await asyncio.sleep(_POLL_SECONDS)


def _raise_unless(expected: int) -> Any:
    async def check(response: aiohttp.ClientResponse) -> None:
        if response.status != expected:
            response.raise_for_status()

    return check


async def has_cases(api: Api) -> bool:
    """Whether an earlier run published `recent.cases`."""
    return bool((await api.get(f"loyalty/orders?order_id={_CASE}"))["data"])


async def prepare(api: Api, now: datetime) -> None:
    """Add the rewards, and suspend the customer whose order will be held."""
    for reward in (*seed.REWARDS, *_rewards(now)):
        await api.write("POST", "loyalty/rewards", reward, key=reward["id"])
    award = {"customer_id": HELD, "points": 250, "reason": "Welcome bonus"}
    await api.write("POST", "loyalty/earn", award, key="welcome")
    change = {"status": "suspended", "note": "Card reported stolen; the shop asked to wait."}
    await api.write("PATCH", f"loyalty/customers/{HELD}", change, key="suspend")


def _rewards(now: datetime) -> Sequence[dict[str, Any]]:
    """Rewards with a stock, an end and a tier, one that nobody can redeem, and one not offered now."""
    soon = format_time(now + timedelta(days=3))
    return (
        {
            "id": "rwd_mug",
            "name": "Enamel Mug",
            "points_cost": 800,
            "type": "perk",
            "stock": 12,
            "per_customer_limit": 1,
        },
        {
            "id": "rwd_tasting",
            "name": "Tasting Evening",
            "points_cost": 3_000,
            "type": "perk",
            "min_tier": "Gold",
            "ends_at": soon,
        },
        {
            "id": "rwd_lounge",
            "name": "Lounge Pass",
            "points_cost": 20_000,
            "type": "perk",
            "min_tier": "Diamond",
        },
        {
            "id": "rwd_summer",
            "name": "Summer Tote Bag",
            "points_cost": 1_500,
            "type": "perk",
            "is_active": False,
        },
    )


async def act(api: Api) -> None:
    """Once the cases are posted: redeem rewards, award and correct."""
    for customer in CASES:
        await api.wait_for(f"loyalty/customers/{customer}")
    await _redeem(api)
    award = {"customer_id": ORDINARY[2], "points": 300, "reason": "Sorry for the late parcel"}
    await api.write("POST", "loyalty/earn", award, key="award")
    adjustment = {"customer_id": ORDINARY[3], "points": -40, "reason": "Entered twice"}
    await api.write("POST", "loyalty/adjust", adjustment, key="adjust")


async def _redeem(api: Api) -> None:
    """Redeem a reward for each of the most frequent customers who can pay; use some, cancel some."""
    for number, customer in enumerate(ORDINARY[:24]):
        reward, price = _REDEEMED[number % len(_REDEEMED)]
        status = await api.get(f"loyalty/customers/{customer}")
        if status is None or status["points_balance"] < price:
            continue
        body = {"customer_id": customer, "reward_id": reward}
        redeemed = await api.write("POST", "loyalty/redeem", body, key=f"redeem-{customer}")
        step = {0: "use", 1: "use", 4: "cancel"}.get(number % 5)
        if step is not None:
            path = f"loyalty/redemptions/{redeemed['redemption_id']}/{step}"
            await api.write("POST", path, {}, key=f"{step}-{customer}")
