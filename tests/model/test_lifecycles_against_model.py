"""Random operations of customers whose points expire and wait, over the REST API, compared with a small model after
each of them.

Stores with settings of their own are driven concurrently. A failure prints its seed and what the store did:
`STORES_SEED=… STORES_EXAMPLES=… pytest …` repeats it, or searches longer.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from libs.kernel.clock import format_time, utc_now
from libs.testing.eventually import eventually
from services.earning.domain.dates import Day, to_date, to_day
from tests.contract.test_request_checks import assert_problem
from tests.e2e.test_once_in_effect import audit
from tests.e2e.test_shop_events import envelope, send_all
from tests.integration.test_random_lifecycles import WAITS
from tests.model.lifecycle_model import LifecycleAccount
from tests.redeeming import give_reward, redeem
from tests.support import Shop, Stack, open_shop
from tests.unit.earning.lifecycle_account import zone
from tests.unit.earning.test_lots_against_points import SETTINGS

SEED = int(os.environ.get("STORES_SEED", random.randrange(10**6)))
EXAMPLES = int(os.environ.get("STORES_EXAMPLES", "5"))
CONCURRENT = 5
STEPS = 20
CUSTOMERS = ("ada", "bob")
COST = 5
# At noon UTC they have the same date.
ZONES = ("UTC", "Europe/Berlin", "America/New_York")
OPERATIONS = (
    *("order", "order", "order", "redeem", "redeem", "refund", "refund", "fulfill", "fulfill"),
    *("award", "adjust", "cancel", "release", "burst", "void"),
)
DETECTORS = {
    "rapid_earning": {"count": 2, "window_seconds": 1},
    "unusual_amount": {"mode": "off"},
    "deviation": {"mode": "off"},
}


class Driver:
    """A store, and the models of its customers."""

    def __init__(self, shop: Shop, source: random.Random) -> None:
        self.shop, self.random = shop, source
        self.log: list[str] = []
        self.events = 0
        # The yearly dates of the settings are near.
        self.today = to_day(date(utc_now().year + 2, 1, 10))
        self.models: dict[str, LifecycleAccount] = {}
        self.redemptions: dict[str, list[str]] = {name: [] for name in CUSTOMERS}
        self.bursts: dict[str, list[tuple[str, list[str]]]] = {name: [] for name in CUSTOMERS}
        self.reward_id = ""

    @property
    def noon(self) -> datetime:
        return datetime.combine(to_date(self.today), time(12), UTC)

    async def open(self) -> None:
        expiry, waits = self.random.choice(SETTINGS), self.random.choice(WAITS)
        zone_name = self.random.choice(ZONES)
        self.note("program", expiry, waits, zone_name)
        await self.move_clock(0)
        await self.shop.program(
            points_per_dollar=1,
            time_zone=zone_name,
            **{
                name: msgspec.to_builtins(setting)
                for name, setting in (("expiry", expiry), ("pending", waits))
                if setting is not None
            },
        )
        await self.call("PUT", "loyalty/anomaly-settings", DETECTORS, status=200)
        self.reward_id = (await give_reward(self.shop, points_cost=COST))["id"]
        self.models = {
            name: LifecycleAccount(self.today, expiry=expiry, pending=waits, zone=zone(zone_name))
            for name in CUSTOMERS
        }

    def note(self, *words: object) -> None:
        self.log.append(" ".join(map(str, words)))

    async def call(self, method: str, path: str, body: object, *, status: int) -> Any:
        response = await self.shop.call(method, path, body)
        assert response.status == status, response.raw
        return response.json

    # -- what happens

    async def step(self) -> None:
        days = self.random.choice((0, 0, 0, 1, 2, 5))
        if days:
            await self.move_clock(days)
            await self.check_forecast()
        customer, operation = self.random.choice(CUSTOMERS), self.random.choice(OPERATIONS)
        await getattr(self, f"post_{operation}")(customer, self.models[customer])
        await self.check(customer)

    async def move_clock(self, days: int) -> None:
        self.note("clock", days)
        self.today += days
        await self.call("PUT", "loyalty/clock", {"now": format_time(self.noon)}, status=200)
        for name, model in self.models.items():
            model.go_to(self.today)
            # The move responds once everything on the way is posted.
            await self.check(name, within_seconds=0)

    async def send(self, type_: str, *events: Mapping[str, object]) -> None:
        self.events += 1
        batch = [
            envelope(f"{self.events}-{place}", event, type=type_)
            for place, event in enumerate(events)
        ]
        response = await send_all(self.shop, batch)
        assert {one["status"] for one in response.json["data"]} == {202}, response.raw

    async def post_order(
        self, customer: str, model: LifecycleAccount, *, orders: int = 1, days: int | None = None
    ) -> list[str]:
        """Orders of one instant, which no other order has."""
        ago = self.random.choice((0, 0, 0, 1, 4, 15)) if days is None else days
        completed_at = self.noon - timedelta(days=ago, minutes=len(model.orders) + 1)
        names, events = [], []
        for _ in range(orders):
            name = f"{customer}-{len(model.orders)}"
            cents = 25 * self.random.randint(4, 40)
            self.note("order", name, cents, completed_at)
            model.order(name, cents, self.today - ago)
            total, when = f"{cents / 100:.2f}", format_time(completed_at)
            events.append(
                self.shop.order(name, customer_id=customer, total=total, completed_at=when)
            )
            names.append(name)
        await self.send("order.completed", *events)
        return names

    async def post_burst(self, customer: str, model: LifecycleAccount) -> None:
        """Two orders of one instant, which are an anomaly."""
        names = await self.post_order(customer, model, orders=2, days=0)
        await self.check(customer)
        ids = {
            one["transaction_id"]
            for one in await self.list_orders(customer)
            if one["order_id"] in names
        }

        async def find() -> str:
            query = f"loyalty/anomalies?customer_id={customer}&status=pending_review&limit=100"
            listed = (await self.shop.call("GET", query)).json["data"]
            (anomaly,) = (one for one in listed if set(one["transaction_ids"]) == ids)
            return str(anomaly["id"])

        self.bursts[customer].append((await eventually(find, every=0.01), names))

    async def post_void(self, customer: str, model: LifecycleAccount) -> None:
        if not self.bursts[customer]:
            return
        anomaly_id, names = self.bursts[customer].pop()
        self.note("void", *names)
        model.void(names)
        body = {"status": "resolved", "resolution": "voided"}
        await self.call("PATCH", f"loyalty/anomalies/{anomaly_id}", body, status=200)

    async def post_refund(self, customer: str, model: LifecycleAccount) -> None:
        names = [name for name, one in model.orders.items() if one.refunded < one.total]
        if not names:
            return
        name = self.random.choice(names)
        rest = model.orders[name].total - model.orders[name].refunded
        cents = self.random.choice((rest, 25 * self.random.randint(1, rest // 25)))
        self.note("refund", name, cents)
        model.refund(name, cents)
        refund = {
            "order_id": name,
            "customer_id": customer,
            "refund_id": f"{name}-{self.events}",
            "amount": f"{cents / 100:.2f}",
            "refunded_at": format_time(self.noon),
        }
        await self.send("order.refunded", refund)

    async def post_fulfill(self, customer: str, model: LifecycleAccount) -> None:
        names = [name for name, one in model.orders.items() if one.pending and one.gives_up]
        if not names:
            return
        name = self.random.choice(names)
        at = self.noon + timedelta(hours=self.random.choice((0, 0, 18, -24, -96)))
        self.note("fulfill", name, at)
        model.fulfill(name, at)
        event = {"order_id": name, "customer_id": customer, "fulfilled_at": format_time(at)}
        await self.send("order.fulfilled", event)

    async def post_release(self, customer: str, model: LifecycleAccount) -> None:
        names = [name for name, one in model.orders.items() if one.pending]
        if names:
            name = self.random.choice(names)
            self.note("release", name)
            model.release(name)
            await self.call("POST", "loyalty/orders/release", {"order_id": name}, status=200)

    def own_day(self) -> tuple[Day | None, dict[str, object]]:
        """A date of their own for some points, as the model and as a request has it."""
        day = self.random.choice((None, self.today + self.random.randrange(14)))
        return day, {} if day is None else {"expires_on": to_date(day).isoformat()}

    async def post_award(self, customer: str, model: LifecycleAccount) -> None:
        points, (day, own) = self.random.randint(1, 9), self.own_day()
        self.note("award", customer, points, own)
        model.award(points, day)
        body = {"customer_id": customer, "points": points, "reason": "Birthday", **own}
        await self.call("POST", "loyalty/earn", body, status=201)

    async def post_adjust(self, customer: str, model: LifecycleAccount) -> None:
        points, (day, own) = self.random.choice((-4, 3, 8)), self.own_day()
        if points < 0 and model.balance < -points:
            return
        if points < 0:
            day, own = None, {}
        self.note("adjust", customer, points, own)
        model.add(points, day)
        body = {"customer_id": customer, "points": points, "reason": "Corrected", **own}
        await self.call("POST", "loyalty/adjust", body, status=201)

    async def post_redeem(self, customer: str, model: LifecycleAccount) -> None:
        response = await redeem(self.shop, self.reward_id, customer)
        self.note("redeem", customer, response.status)
        if model.balance < COST:
            assert_problem(response, 409, "insufficient_points")
            return
        assert response.status == 201, response.raw
        model.redeem(response.json["redemption_id"], COST)
        self.redemptions[customer].append(response.json["redemption_id"])

    async def post_cancel(self, customer: str, model: LifecycleAccount) -> None:
        if self.redemptions[customer]:
            redemption_id = self.redemptions[customer].pop()
            self.note("cancel", customer)
            model.cancel(redemption_id)
            await self.call("POST", f"loyalty/redemptions/{redemption_id}/cancel", {}, status=200)

    # -- what callers see

    async def check(self, customer: str, *, within_seconds: float = 20) -> None:
        model = self.models[customer]
        if model.exists:
            expected = model.view()

            async def look() -> None:
                assert await self.view(customer) == expected

            # A key may make 100 requests a second.
            await eventually(look, every=0.06, within_seconds=within_seconds)

    async def list_all(self, path: str) -> list[Any]:
        response = await self.shop.call("GET", f"{path}limit=100")
        assert response.status == 200, response.raw
        assert response.json["has_more"] is False
        data: list[Any] = response.json["data"]
        return data

    async def list_orders(self, customer: str) -> list[Any]:
        return await self.list_all(f"loyalty/orders?customer_id={customer}&")

    async def view(self, customer: str) -> dict[str, Any]:
        path = f"loyalty/customers/{customer}"
        status, expirations, waiting, orders, transactions = await asyncio.gather(
            self.shop.status(customer),
            self.shop.call("GET", f"{path}/expirations?limit=100"),
            self.list_all(f"{path}/pending?"),
            self.list_orders(customer),
            self.list_all(f"loyalty/transactions?customer_id={customer}&"),
        )
        check_chain(transactions[::-1], status)
        return {
            "balance": status["points_balance"],
            "lifetime": status["lifetime_points"],
            "pending": status.get("points_pending", 0),
            "next_expiration": status.get("next_expiration"),
            "expirations": expirations.json["data"],
            "without_date": expirations.json["without_date"],
            "waiting": {
                one["order_id"]: (
                    one["points"],
                    "waits_for" in one,
                    one["available_at"] or one["gives_up_at"],
                )
                for one in waiting
            },
            "orders": {
                one["order_id"]: (
                    one["award"],
                    one["pending"],
                    one["clawed_back"],
                    int(Decimal(one["refunded"]) * 100),
                )
                for one in orders
            },
        }

    async def check_forecast(self) -> None:
        """It follows the clock, and sums what the customers see."""
        forecast = (await self.shop.call("GET", "loyalty/expirations?days=366")).json
        points, customers = Counter[str](), Counter[str]()
        for model in self.models.values():
            for row in model.view()["expirations"]:
                points[row["expires_on"]] += row["points"]
                customers[row["expires_on"]] += 1
        until = to_date(self.today + 366).isoformat()
        assert [
            (one["expires_on"], one["points"], one["customers"]) for one in forecast["data"]
        ] == [(day, points[day], customers[day]) for day in sorted(points) if day <= until]
        if points:
            assert forecast["as_of"] >= format_time(self.noon)


def check_chain(transactions: list[Any], status: Any) -> None:
    """Each entry follows from the one before it, up to what the status shows."""
    balance = pending = 0
    for one in transactions:
        balance += one["points"]
        pending += one.get("pending", 0)
        assert one["balance_after"] == balance
        assert pending >= 0
    assert (balance, pending) == (status["points_balance"], status.get("points_pending", 0))


async def drive(stack: Stack, number: int) -> None:
    async with open_shop(stack) as shop:
        driver = Driver(shop, random.Random(f"{SEED} {number}"))
        try:
            await driver.open()
            for _ in range(STEPS):
                await driver.step()
        except BaseException as error:
            error.add_note("\n".join([f"STORES_SEED={SEED}, store {number}:", *driver.log]))
            raise
        await audit(stack, shop.store_id)


async def test_callers_see_of_random_lifecycles_what_the_model_has(stack: Stack) -> None:
    print("STORES_SEED", SEED)
    for first in range(0, EXAMPLES, CONCURRENT):
        async with asyncio.TaskGroup() as group:
            for number in range(first, min(first + CONCURRENT, EXAMPLES)):
                group.create_task(drive(stack, number))
