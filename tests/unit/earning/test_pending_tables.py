"""The worked tables of docs/rules/pending.md, row by row."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec import UNSET, Struct

from libs.contracts.lifecycle import Expiry, Pending
from services.earning.domain import pending
from services.earning.domain.cycles import Cycle
from services.earning.domain.dates import Day, day_of, end_of, to_day
from services.earning.domain.expiry import Epoch, last_day
from services.earning.domain.pending import Window, open_window, split
from services.earning.domain.refunds import money_refunded, points_clawed_back
from services.earning.domain.tiers import tier_of
from tests.unit.earning.lifecycle_account import zone
from tests.unit.earning.test_programs import program
from tests.unit.earning.test_rule_tables import table


def day(year: int, month: int, number: int) -> Day:
    return to_day(date(year, month, number))


def setting(text: str) -> Pending:
    """`14`, `14 from fulfilled` or `14 from fulfilled, give up 30`."""
    words = text.replace(",", "").split()
    return Pending(
        days=int(words[0]),
        from_="fulfilled" if "fulfilled" in words else UNSET,
        give_up_days=int(words[-1]) if "give" in words else UNSET,
    )


@pytest.mark.parametrize(
    ("completed", "zone_name", "rule", "fulfilled", "arrives", "becomes", "at"),
    table("pending.md", first_heading="completed"),
)
def test_the_wait_of_an_order_ends_as_the_documentation_says(
    completed: str, zone_name: str, rule: str, fulfilled: str, arrives: str, becomes: str, at: str
) -> None:
    window = open_window(
        setting(rule),
        completed_at=datetime.fromisoformat(completed),
        zone=zone(zone_name),
        fulfilled_at=None if fulfilled == "–" else datetime.fromisoformat(fulfilled),
    )
    due = window.due(zone(zone_name))
    is_open = window.is_open(datetime.fromisoformat(arrives), zone(zone_name))
    over = {"release": "earns", "give_up": "gave_up"}
    assert (due.kind if is_open else over[due.kind], due.at) == (
        becomes,
        datetime.fromisoformat(at),
    )
    is_known = due.kind == "release"
    assert window.available_at(zone(zone_name)) == (due.at if is_known else None)


class Award(Struct):
    """What of an order's record decides its shares."""

    total: Decimal
    award: int
    order_id: str = "o1"
    refunded: Decimal = Decimal(0)
    refunded_points: int = 0
    voided_points: int = 0

    @property
    def remainder(self) -> int:
        return self.award - self.refunded_points - self.voided_points


class Order:
    """An order whose award waits, as the ledger posts it."""

    def __init__(self, total: str, award: int) -> None:
        self.record: Any = Award(total=Decimal(total), award=award)
        self.pending = award
        self.balance = self.lifetime = 0
        self.pending_changes = [award]
        self.points: list[int] = []

    def release(self) -> None:
        if self.pending:
            self.balance += self.pending
            self.lifetime += self.pending
            self.points.append(self.pending)
            self.pending_changes.append(-self.pending)
            self.pending = 0

    def give_up(self) -> None:
        self.pending_changes.append(-self.pending)
        # What was given up leaves the remainder of the award.
        self.record.voided_points += self.pending
        self.pending = 0

    def claw_back(self, points: int) -> None:
        from_pending, from_lots = split(points, self.pending)
        self.pending -= from_pending
        self.balance -= from_lots
        self.lifetime = max(self.lifetime - from_lots, 0)
        if from_pending:
            self.pending_changes.append(-from_pending)
        if from_lots:
            self.points.append(-from_lots)

    def refund(self, amount: str) -> None:
        money = money_refunded(self.record, None if amount == "rest" else Decimal(amount))
        points = points_clawed_back(self.record, money)
        self.record.refunded += money
        self.record.refunded_points += points
        self.claw_back(points)

    def void(self) -> None:
        points = self.record.remainder
        self.record.voided_points += points
        self.claw_back(points)


@pytest.mark.parametrize(
    ("placed", "steps", "pending_changes", "points", "pending_after", "balance", "lifetime"),
    table("pending.md", first_heading="order"),
)
def test_pending_points_move_as_the_documentation_says(
    placed: str,
    steps: str,
    pending_changes: str,
    points: str,
    pending_after: str,
    balance: str,
    lifetime: str,
) -> None:
    total, _, award = placed.split()
    order = Order(total, int(award))
    for step in steps.split():
        match step:
            case "release":
                order.release()
            case "give_up":
                order.give_up()
            case "void":
                order.void()
            case _:
                order.refund(step)
    assert " ".join(map(str, order.pending_changes)) == pending_changes
    assert " ".join(map(str, order.points)) == points
    after = (order.pending, order.balance, order.lifetime)
    assert after == (int(pending_after), int(balance), int(lifetime))


def test_expiry_counts_from_the_start_of_the_day_at_which_points_became_available() -> None:
    window = open_window(
        setting("14"), completed_at=datetime(2027, 3, 1, 15, tzinfo=UTC), zone=zone("UTC")
    )
    available = window.available_at(zone("UTC"))
    assert available is not None
    after = last_day(Expiry(kind="after", months=12), day_of(available, zone("UTC")))
    assert after == day(2028, 3, 16)


def test_the_tier_rises_with_the_release_and_not_with_the_pend() -> None:
    vip = program()
    before = tier_of(vip, 0)
    assert before is not None
    award = vip.price(Decimal("500.00"), before)
    order = Order("500.00", award)
    pending_tier = tier_of(vip, order.lifetime)
    order.release()
    released_tier = tier_of(vip, order.lifetime)
    assert award == 5_000
    assert pending_tier is not None
    assert released_tier is not None
    assert (pending_tier.name, released_tier.name) == ("Bronze", "Silver")


def test_only_the_first_fulfillment_counts() -> None:
    berlin = zone("Europe/Berlin")
    waiting = open_window(
        setting("14 from fulfilled"), completed_at=datetime(2027, 3, 1, tzinfo=UTC), zone=berlin
    )
    assert waiting.waits_for_fulfillment
    first = pending.fulfill(waiting, datetime(2027, 3, 5, tzinfo=UTC), berlin)
    assert pending.fulfill(first, datetime(2027, 3, 9, tzinfo=UTC), berlin) == first
    assert first == Window(days=14, release_on=day(2027, 3, 19))


def test_the_account_knows_when_its_first_wait_ends() -> None:
    utc, instant = zone("UTC"), datetime(2027, 3, 10, 8, tzinfo=UTC)
    epoch = Epoch(at=instant, since=day(2027, 3, 1), zone=utc)
    cycle = Cycle(suspended_on=None)
    for window in (
        Window(days=14, release_on=day(2027, 3, 15)),
        Window(days=14, release_on=day(2027, 3, 15)),
        Window(days=14, give_up_on=day(2027, 3, 20)),
        Window(days=0, release_at=instant),
    ):
        cycle.add_wait(
            window.wait_on(utc), gives_up=window.waits_for_fulfillment, at=window.release_at
        )
        # A day may be too early, but never too late.
        assert window.due(utc).at >= end_of(window.wait_on(utc), utc)
    assert [(wait.day - day(2027, 2, 28), wait.gives_up, wait.orders) for wait in cycle.waits] == [
        (15, False, 2),
        (20, True, 1),
    ]
    assert cycle.due_at(epoch) == instant
    cycle.remove_wait(day(2027, 3, 9), gives_up=False, at=instant)
    assert cycle.due_at(epoch) == datetime(2027, 3, 16, tzinfo=UTC)
    cycle.remove_wait(day(2027, 3, 15), gives_up=False)
    cycle.remove_wait(day(2027, 3, 15), gives_up=False)
    assert [wait.day - day(2027, 2, 28) for wait in cycle.waits] == [20]


def test_an_instant_that_was_counted_as_a_day_is_removed_as_one() -> None:
    instant = datetime(2027, 3, 10, 8, tzinfo=UTC)
    cycle = Cycle(suspended_on=None)
    cycle.add_wait(day(2027, 3, 9), gives_up=False)
    cycle.remove_wait(day(2027, 3, 9), gives_up=False, at=instant)
    assert cycle.waits == []
