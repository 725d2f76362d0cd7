"""Random operations on an account's lots, compared with a list of single points.

A failure prints its seed: `LOTS_SEED=… LOTS_EXAMPLES=… pytest …` repeats it, or searches longer.
"""

import os
import random
from datetime import UTC, date, datetime

from hypothesis import HealthCheck, Phase, given, note, settings, strategies
from hypothesis import seed as seeded

from libs.contracts.lifecycle import Expiry
from services.earning.domain import catching_up, cycles, lots
from services.earning.domain.account_cycles import AccountCycle
from services.earning.domain.catching_up import just_before
from services.earning.domain.cycles import Cycle
from services.earning.domain.dates import NEVER, to_day
from services.earning.domain.timelines import Timeline
from tests.unit.earning.lifecycle_account import Account
from tests.unit.earning.naive_points import NaiveAccount

SEED = int(os.environ.get("LOTS_SEED", random.randrange(10**6)))
EXAMPLES = int(os.environ.get("LOTS_EXAMPLES", "150"))
START = date(2027, 1, 5)
SETTINGS = (
    None,
    Expiry(kind="after", days=5),
    Expiry(kind="after", days=12, returned_days=3),
    Expiry(kind="yearly", dates=("01-20", "02-03", "02-28"), at_least_days=2),
    Expiry(kind="inactivity", days=4, returned_days=2),
    Expiry(kind="inactivity", days=9, returned_days=0),
)
# At noon UTC all of them have the same date.
ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo")
OPERATIONS = (
    *("earn", "earn_own", "earn_late") * 3,
    *("adjust_up", "adjust_down", "redeem", "redeem", "cancel", "refund", "refund", "void"),
    *("set", "set", "suspend", "reinstate", "deactivate", "activate", "remind", "zone"),
)
STEPS = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(OPERATIONS),
        strategies.integers(0, 6),
        strategies.integers(1, 9),
        strategies.integers(0, 10**6),
    ),
    min_size=5,
    max_size=40,
)


class Pair:
    """The lots and the model, given the same operations."""

    def __init__(self) -> None:
        noon = datetime(START.year, START.month, START.day, 12, tzinfo=UTC)
        self.account, self.model = Account(now=noon), NaiveAccount(to_day(START))
        self.account.every_reminder = True
        self.remainders: dict[str, int] = {}
        self.number = 0

    def step(self, operation: str, days: int, points: int, choice: int) -> None:
        self.account.next_day(days)
        self.model.go_to(self.account.today)
        self.check()
        if operation.startswith("earn"):
            self.earn(operation, points, choice)
        elif operation in {"refund", "void"}:
            self.claw_back(operation, points, choice)
        elif operation in {"redeem", "cancel"}:
            self.redeem_or_cancel(operation, points, choice)
        elif operation.startswith("adjust"):
            self.adjust(points if operation == "adjust_up" else -points)
        else:
            self.change(operation, points, choice)
        self.check()

    def earn(self, operation: str, points: int, choice: int) -> None:
        if self.model.is_suspended or not self.model.is_active:
            return
        self.number += 1
        name, today = f"A{self.number}", self.account.today
        own = None
        if operation == "earn_own":
            own = NEVER if choice % 4 == 0 else today + choice % 14
        available = today - choice % 20 if operation == "earn_late" else today
        self.remainders[name] = points
        self.account.earn(name, points, available=available, last_day=own, own=own is not None)
        self.model.earn(name, points, available, own)

    def adjust(self, points: int) -> None:
        if self.model.balance + min(points, 0) >= 0 or points > 0:
            self.account.adjust(points)
            self.model.adjust(points)

    def redeem_or_cancel(self, operation: str, points: int, choice: int) -> None:
        if operation == "cancel":
            names = sorted(self.account.redemptions)
            if names:
                name = names[choice % len(names)]
                self.account.cancel(name)
                self.model.cancel(name)
        elif points <= self.model.balance and not self.model.is_suspended and self.model.is_active:
            self.number += 1
            self.account.redeem(f"R{self.number}", points)
            self.model.redeem(f"R{self.number}", points)

    def claw_back(self, operation: str, points: int, choice: int) -> None:
        names = [name for name, rest in self.remainders.items() if rest]
        if not names:
            return
        if operation == "refund":
            name = names[choice % len(names)]
            parts = {name: min(points, self.remainders[name])}
        else:
            parts = {name: self.remainders[name] for name in names[: 1 + choice % 3]}
        self.account.void(parts, type_=operation)
        covered = sum(self.model.claw_back(name, count) for name, count in parts.items())
        assert self.account.rows[-1].covered == covered
        assert -self.account.rows[-1].points + covered == sum(parts.values())
        for name, count in parts.items():
            self.remainders[name] -= count

    def change(self, operation: str, points: int, choice: int) -> None:
        match operation:
            case "set":
                expiry = SETTINGS[choice % len(SETTINGS)]
                self.account.set_expiry(expiry)
                self.model.set_expiry(expiry)
            case "remind":
                days = tuple({1, points, 1 + choice % 9})
                self.account.set_remind_days(*days)
                self.model.remind_days = days
            case "zone":
                self.account.set_zone(ZONES[choice % len(ZONES)])
            case "activate" | "deactivate":
                self.account.set_active(is_active=operation == "activate")
                self.model.set_active(is_active=operation == "activate")
            case "suspend" if self.model.balance or self.remainders:
                self.account.suspend()
                self.model.suspend()
            case "reinstate" if self.model.is_suspended:
                self.account.reinstate()
                self.model.reinstate()

    def check(self) -> None:
        balance, days, expired = self.account.show()
        assert balance == self.model.balance
        assert sum(days.values()) == max(balance, 0)
        points = self.model.points
        expected = lots.by_day(lots.Part(self.model.day_of(one), one.own, 1) for one in points)
        assert days == expected
        self.check_ledger()
        if self.account.cycle is not None:
            self.check_due_at(self.account.cycle)
        assert expired == {day: count for day, count in self.model.expired.items() if count}

    def check_ledger(self) -> None:
        rows = self.account.rows
        assert sum(row.points for row in rows) == self.account.balance
        assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))

    def check_reminders(self) -> None:
        self.account.touch()
        reminders = [(one.day, one.days_left, one.points) for one in self.account.reminders]
        assert sorted(reminders) == sorted(self.model.reminders)

    def check_due_at(self, cycle: Cycle) -> None:
        """Nothing is due before `due_at`, and something is due then. A cycle that is up to date does not change."""
        epochs = self.account.epochs
        if cycle.epoch != len(epochs) - 1:
            return
        due_at = cycle.due_at(epochs[-1])
        for to in (
            [datetime(2040, 1, 1, tzinfo=UTC)] if due_at is None else [just_before(due_at), due_at]
        ):
            copy = cycles.decode(cycles.encode(cycle))
            is_up_to_date = AccountCycle(copy, Timeline(epochs, to)).is_up_to_date
            changes = catching_up.advance(
                copy, epochs, to=to, now=to, sequence=self.account.sequence
            )
            assert bool(changes) == (to == due_at)
            assert not is_up_to_date or copy == cycle


@seeded(SEED)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(STEPS)
def compare(steps: list[tuple[str, int, int, int]]) -> None:
    note(f"steps = {steps}")
    pair = Pair()
    for step in steps:
        pair.step(*step)
    pair.check_reminders()


def test_lots_are_what_single_points_would_be() -> None:
    print("LOTS_SEED", SEED)
    compare()
