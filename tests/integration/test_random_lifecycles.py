"""Random operations on an account whose points expire and wait: `verify` derives all of it again.

The sweeper comes at random, so most of what is due is posted late. A failure prints its seed:
`LIFECYCLES_SEED=… LIFECYCLES_EXAMPLES=… pytest …` repeats it, or searches longer.
"""

import os
import random
from datetime import timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.lifecycle import Pending
from libs.kernel.errors import WhaleError
from services.earning.domain.dates import NEVER
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import LedgerAccount, clock, engine
from tests.integration.stored_account import faults
from tests.unit.earning.test_expiry_tables import START
from tests.unit.earning.test_lots_against_points import SETTINGS, ZONES

__all__ = ["clock", "engine"]

SEED = int(os.environ.get("LIFECYCLES_SEED", random.randrange(10**6)))
EXAMPLES = int(os.environ.get("LIFECYCLES_EXAMPLES", "4"))
STEPS = 70
WAITS = (
    None,
    Pending(days=2),
    Pending(days=6),
    Pending(days=0, from_="fulfilled", give_up_days=7),
    Pending(days=3, from_="fulfilled", give_up_days=5),
)
OPERATIONS = (
    *("order", "order", "order", "award", "redeem", "refund", "fulfill") * 3,
    *("adjust", "cancel", "void", "release", "touch", "suspend", "reinstate"),
    *("set", "wait", "zone", "activate", "deactivate"),
)
_COUNTED = (
    "SELECT order_id FROM orders WHERE store_id = $1 AND award > 0 ORDER BY order_id DESC LIMIT 2"
)


class Customer:
    """An account, and what was posted to it."""

    def __init__(self, ledger: LedgerAccount, source: random.Random) -> None:
        self.ledger, self.random = ledger, source
        self.orders: list[str] = []
        self.awards: list[str] = []
        self.redemptions: list[str] = []

    async def step(self) -> None:
        """Any operation, which the ledger may refuse."""
        days = self.random.choice((0, 0, 0, 1, 2, 5))
        hours = self.random.randrange(24) if days else 0
        self.ledger.go_to(self.ledger.clock.now + timedelta(days=days, hours=hours))
        try:
            await self.post(self.random.choice(OPERATIONS))
        except WhaleError:
            return

    async def post(self, operation: str) -> None:
        source, ledger = self.random, self.ledger
        past = ledger.clock.now - timedelta(days=source.choice((0, 0, 1, 4, 15)))
        number = str(len(self.orders) + len(self.awards) + len(self.redemptions))
        match operation:
            case "order":
                self.orders.append(number)
                await ledger.order(number, Decimal(source.randint(1, 9)), occurred_at=past)
            case "award":
                last_day = await ledger.today() + source.randrange(14)
                await ledger.award(number, source.randint(1, 9), source.choice((NEVER, last_day)))
                self.awards.append(number)
            case "redeem":
                await ledger.redeem(number, source.randint(1, 9))
                self.redemptions.append(number)
            case "adjust":
                await ledger.adjust(source.choice((-4, 3, 8)))
            case "cancel" if self.redemptions:
                await ledger.cancel(source.choice(self.redemptions))
            case "touch":
                await ledger.touch()
            case "refund" | "fulfill" | "release" if self.orders:
                await self.change_order(operation, source.choice(self.orders))
            case "void":
                counted = await ledger.fetch(_COUNTED, ledger.store)
                names = [*self.awards[-1:], *(row["order_id"] for row in counted)]
                await ledger.void(dict.fromkeys(names, 0))
            case _:
                await self.change(operation)

    async def change_order(self, operation: str, name: str) -> None:
        days = self.random.choice((0, 1, 4))
        match operation:
            case "refund":
                await self.ledger.refund(name, self.random.choice((None, 1, 2)))
            case "fulfill":
                await self.ledger.fulfill(name, self.ledger.clock.now - timedelta(days=days))
            case "release":
                await self.ledger.release(name)

    async def change(self, operation: str) -> None:
        match operation:
            case "set":
                await self.ledger.set_expiry(self.random.choice(SETTINGS))
            case "wait":
                await self.ledger.set_pending(self.random.choice(WAITS))
            case "zone":
                await self.ledger.set_zone(self.random.choice(ZONES))
            case "activate" | "deactivate":
                await self.ledger.set_active(is_active=operation == "activate")
            case "suspend":
                await self.ledger.suspend()
            case "reinstate":
                await self.ledger.reinstate()


async def test_verify_finds_random_lifecycles_consistent(
    engine: AsyncEngine, clock: TestClock
) -> None:
    print("LIFECYCLES_SEED", SEED)
    source = random.Random(SEED)
    for _ in range(EXAMPLES):
        clock.now = START
        ledger = LedgerAccount(engine, clock)
        await ledger.open()
        customer = Customer(ledger, source)
        for _ in range(STEPS):
            await customer.step()
        assert await faults(ledger) == []
