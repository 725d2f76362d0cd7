"""Points that expire and points that wait, in the real ledger: the tables of docs/rules, row by row."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.lifecycle import Expiry, Pending
from services.earning.domain.dates import to_date, to_day
from services.earning.domain.fulfillments import FulfillmentRecord
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import LedgerAccount, clock, engine
from tests.unit.earning.lifecycle_account import Row
from tests.unit.earning.test_expiry_tables import (
    START,
    has_dates,
    shown_lots,
    shown_row,
    stories,
    take_step,
)
from tests.unit.earning.test_expiry_tables import setting as expiry_setting
from tests.unit.earning.test_pending_tables import setting as pending_setting
from tests.unit.earning.test_rule_tables import table

__all__ = ["clock", "engine"]


class Recorder:
    """Records the calls of its methods."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: self.calls.append((name, args, options))


async def post_story(account: LedgerAccount, steps: str) -> None:
    """Take the steps of a story of docs/rules/expiry.md."""
    recorder: Any = Recorder()
    if has_dates(steps):
        recorder.set_expiry(expiry_setting("after 60 months"))
    for step in steps.split("; "):
        take_step(recorder, step)
    recorder.touch()
    for name, args, options in recorder.calls:
        await getattr(account, name)(*args, **options)


def show(row: Row, steps: str) -> str:
    """The row as the story shows it, in which an award with a date of its own is refunded."""
    text = shown_row(row)
    return text if "; void" in steps else text.replace("void", "refund")


async def test_lots_are_what_the_documentation_says(engine: AsyncEngine, clock: TestClock) -> None:
    faults = []
    for case, steps, entries, balance, lots_after in stories():
        clock.now = START
        account = LedgerAccount(engine, clock)
        await account.open()
        await post_story(account, steps)
        rows = [show(row, steps) for row in await account.rows() if row.type != "earn"]
        outcome = (
            ", ".join(rows),
            str((await account.account())["balance"]),
            shown_lots(await account.visible_lots()),
        )
        if outcome != (entries, balance, lots_after):
            faults.append((case, outcome, (entries, balance, lots_after)))
    assert not faults


async def test_a_wait_ends_as_the_documentation_says(engine: AsyncEngine, clock: TestClock) -> None:
    rows = table("pending.md", first_heading="completed")
    for completed, zone_name, rule, fulfilled, arrives, becomes, at in rows:
        clock.now = min(START, datetime.fromisoformat(completed))
        account = LedgerAccount(engine, clock, zone_name=zone_name)
        await account.open()
        await account.set_pending(pending_setting(rule))
        account.go_to(datetime.fromisoformat(arrives))
        if fulfilled != "–":
            waits = await account.fulfill("o1", datetime.fromisoformat(fulfilled))
            assert isinstance(waits, FulfillmentRecord)
        await account.order("o1", Decimal(5), occurred_at=datetime.fromisoformat(completed))
        first, *others = await account.entries()
        instant = datetime.fromisoformat(at)
        due_at = (await account.account())["due_at"]
        match becomes:
            case "earns":
                assert (first["type"], first["points"], first["available_at"]) == (
                    "earn",
                    5,
                    instant,
                )
                assert due_at is None
            case "release":
                assert (first["type"], first["points"], first["pending"]) == ("pend", 0, 5)
                assert (first["available_at"], due_at) == (instant, instant)
            case "give_up":
                assert (first["type"], first["available_at"], due_at) == ("pend", None, instant)
            case "gave_up":
                (over,) = others
                assert (over["type"], over["points"], over["pending"]) == ("expire", 0, -5)
                assert (over["reason"], over["occurred_at"]) == ("Not fulfilled", instant)
        assert len(others) == (becomes == "gave_up")


async def test_pending_points_move_as_the_documentation_says(
    engine: AsyncEngine, clock: TestClock
) -> None:
    rows = table("pending.md", first_heading="order")
    for placed, steps, pending_changes, points, pending_after, balance, lifetime in rows:
        total, _, award = placed.split()
        clock.now = START
        account = LedgerAccount(engine, clock)
        await account.open()
        rate = Decimal(15) if award == "299" else Decimal(10)
        await account.change(
            points_per_dollar=rate,
            pending=Pending(days=14, from_="fulfilled", give_up_days=5),
        )
        await account.order("o1", Decimal(total))
        for step in steps.split():
            await take_pending_step(account, step)
        entries = await account.entries()
        case = f"{placed} {steps}"
        assert (
            " ".join(str(row["pending"]) for row in entries if row["pending"]) == pending_changes
        ), case
        assert " ".join(str(row["points"]) for row in entries if row["points"]) == points, case
        row = await account.account()
        cycle = await account.cycle()
        assert cycle is not None
        assert (cycle.pending, row["balance"], row["lifetime"]) == (
            int(pending_after),
            int(balance),
            int(lifetime),
        ), case
        assert bool(cycle.waits) == (int(pending_after) > 0), case


async def take_pending_step(account: LedgerAccount, step: str) -> None:
    match step:
        case "release":
            await account.release("o1")
        case "give_up":
            await account.next_day(6)
            await account.touch()
        case "void":
            await account.void({"o1": 0})
        case _:
            await account.refund("o1", None if step == "rest" else Decimal(step))


async def test_customers_are_reminded_when_the_documentation_says(
    engine: AsyncEngine, clock: TestClock
) -> None:
    rows = table("expiry.md", first_heading="zone")
    for zone_name, remind_days, set_on, available_on, last, checked, reminders in rows:
        clock.now = START
        account = LedgerAccount(engine, clock, zone_name=zone_name)
        await account.open()
        await account.set_expiry(Expiry(kind="after", months=60))
        for day in sorted({set_on, available_on, *checked_days(checked)}):
            await account.go_to_day(to_day(date.fromisoformat(day)))
            if day == set_on:
                await account.set_remind_days(*map(int, remind_days.split()))
            if day == available_on:
                last_day = to_day(date.fromisoformat(last))
                await account.earn("A", 100, last_day=last_day)
            if day in checked_days(checked):
                await account.touch()
        events = await account.events("points.expiring")
        sent = [f"{one['days_left']}: {one['occurred_at'][:19]}Z" for one in events]
        assert (", ".join(sent) or "–") == reminders
        for event in events:
            assert (event["points"], event["balance"], event["expires_on"]) == (100, 100, last)


def checked_days(text: str) -> list[str]:
    if text != "every day":
        return [text]
    return [to_date(to_day(date(2027, 2, 26)) + number).isoformat() for number in range(40)]
