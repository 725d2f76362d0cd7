"""Random operations on an account of the real ledger, compared with the account that is the model of the rules.

Operations at one instant share a batch, so that a posting meets what others of its batch did. A failure
prints its seed: `LIFECYCLE_SEED=… LIFECYCLE_EXAMPLES=… pytest …` repeats it, or searches longer.
"""

import os
import random
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.earning.domain.dates import NEVER
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import LedgerAccount, clock, engine
from tests.integration.stored_account import faults
from tests.unit.earning.lifecycle_account import Account, Row
from tests.unit.earning.test_expiry_tables import START
from tests.unit.earning.test_lots_against_points import OPERATIONS, SETTINGS, ZONES

__all__ = ["clock", "engine"]

SEED = int(os.environ.get("LIFECYCLE_SEED", random.randrange(10**6)))
EXAMPLES = int(os.environ.get("LIFECYCLE_EXAMPLES", "6"))
STEPS = 40


class Pair:
    """An account of the ledger and the model, given the same operations."""

    def __init__(self, ledger: LedgerAccount, source: random.Random) -> None:
        self.ledger, self.model = ledger, Account(now=ledger.clock.now)
        self.random = source
        self.remainders: dict[str, int] = {}
        self.number = 0

    def new_name(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    async def step(self) -> None:
        days = self.random.choice((0, 0, 0, 1, 2, 5))
        if days:
            await self.compare()
            self.model.next_day(days)
            await self.ledger.go_on(self.model.now)
        operation = self.random.choice(OPERATIONS)
        if operation.startswith("earn"):
            await self.earn(operation)
        elif operation in {"refund", "void"}:
            await self.claw_back(operation)
        elif operation in {"redeem", "cancel"}:
            await self.redeem_or_cancel(operation)
        elif operation.startswith("adjust"):
            points = self.random.randint(1, 9)
            if operation == "adjust_up" or points <= self.model.show()[0]:
                await self.both("adjust", points if operation == "adjust_up" else -points)
        else:
            await self.change(operation)

    async def both(self, name: str, *args: Any, **options: Any) -> None:
        getattr(self.model, name)(*args, **options)
        await getattr(self.ledger, name)(*args, **options)

    async def earn(self, operation: str) -> None:
        if self.model.is_suspended or not self.model.is_active:
            return
        name, points, today = self.new_name("A"), self.random.randint(1, 9), self.model.today
        options: dict[str, Any] = {}
        if operation == "earn_own":
            last_day = self.random.choice((NEVER, today + self.random.randrange(14)))
            options = {"last_day": last_day, "own": True}
        elif operation == "earn_late":
            options = {"available": today - self.random.randrange(20)}
        self.remainders[name] = points
        await self.both("earn", name, points, **options)

    async def redeem_or_cancel(self, operation: str) -> None:
        if operation == "cancel":
            names = sorted(self.model.redemptions)
            if names:
                await self.both("cancel", self.random.choice(names))
            return
        points = self.random.randint(1, 9)
        may_redeem = not self.model.is_suspended and self.model.is_active
        if may_redeem and points <= self.model.show()[0]:
            await self.both("redeem", self.new_name("R"), points)

    async def claw_back(self, operation: str) -> None:
        names = [name for name, rest in self.remainders.items() if rest]
        if operation == "refund":
            names = [name for name in names if name not in self.ledger.own]
        if not names:
            return
        if operation == "refund":
            name = self.random.choice(names)
            points = self.random.randint(1, self.remainders[name])
            self.remainders[name] -= points
            await self.both("refund", name, points)
            return
        parts = {name: self.remainders[name] for name in names[: self.random.randint(1, 3)]}
        self.remainders |= dict.fromkeys(parts, 0)
        await self.both("void", parts)

    async def change(self, operation: str) -> None:
        match operation:
            case "set":
                await self.both("set_expiry", self.random.choice(SETTINGS))
            # The zone of a program that is not active is not in force.
            case "zone" if self.model.is_active:
                await self.both("set_zone", self.random.choice(ZONES))
            case "activate" | "deactivate":
                await self.both("set_active", is_active=operation == "activate")
            case "suspend" if self.model.rows:
                await self.both("suspend")
            case "reinstate" if self.model.is_suspended:
                await self.both("reinstate")

    async def compare(self) -> None:
        if not self.model.rows:
            return
        await self.both("touch")
        await self.ledger.flush()
        rows = await self.ledger.rows()
        assert list(map(summary, rows)) == list(map(summary, self.model.rows))
        account = await self.ledger.account()
        assert account["balance"] == self.model.balance
        assert account["lifetime"] == self.model.lifetime
        assert await self.ledger.cycle() == self.model.cycle
        due_at = None
        if self.model.cycle is not None:
            due_at = self.model.cycle.due_at(self.model.epochs[self.model.cycle.epoch])
        assert account["due_at"] == due_at


def summary(row: Row) -> tuple[object, ...]:
    """What both have of an entry. The ledger notes no lots while no point has a date."""
    # The ledger's clock ticks before each change of the program.
    occurred_at: datetime | None = None
    if row.type == "expire":
        assert row.occurred_at is not None
        occurred_at = row.occurred_at.replace(microsecond=0)
    parts = row.parts if any(part.own or part.day != NEVER for part in row.parts) else ()
    return row.sequence, row.type, row.points, parts, row.covered, occurred_at


async def test_the_ledger_keeps_lots_as_the_model_does(
    engine: AsyncEngine, clock: TestClock
) -> None:
    print("LIFECYCLE_SEED", SEED)
    source = random.Random(SEED)
    for _ in range(EXAMPLES):
        clock.now = START
        ledger = LedgerAccount(engine, clock)
        await ledger.open()
        ledger.queue = []
        pair = Pair(ledger, source)
        for _ in range(STEPS):
            await pair.step()
        await pair.compare()
        assert await faults(ledger) == []
