"""`verify` derives the dates and waits of an account again: every altered one is reported."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.lifecycle import Expiry, Pending
from services.earning.domain import cycles, entry_lots
from services.earning.domain.cycles import Cycle, Wait
from services.earning.domain.entry_lots import EntryLots
from services.earning.store import books_check
from tests.integration.conftest import Database
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import LedgerAccount, clock, engine, open_account

__all__ = ["clock", "engine"]

Connection = asyncpg.Connection
Plant = Callable[[Connection], Awaitable[Any]]


async def fill(account: LedgerAccount) -> None:
    """Points with dates of their own and of the setting, drawn, moved, released, expired, covered and pending."""
    clock = account.clock
    await account.award("own", 40, (await account.today()) + 90)
    await account.order("a", Decimal(100))
    await account.next_day()
    await account.order("b", Decimal(50))
    await account.redeem("r", 30)
    await account.change(pending=Pending(days=3))
    await account.order("p", Decimal(60))
    await account.order("q", Decimal(20))
    await account.refund("p", 10)
    await account.release("q")
    await account.next_day(5)
    await account.touch()
    await account.suspend()
    await account.order("h", Decimal(25), occurred_at=clock.now - timedelta(days=30))
    await account.next_day(8)
    await account.reinstate()
    await account.refund("h", 5)
    await account.next_day(25)
    await account.cancel("r")
    await account.next_day(15)
    await account.touch()
    await account.refund("a", 90)
    await account.order("w", Decimal(70))
    await account.change(pending=Pending(days=2, from_="fulfilled", give_up_days=4))
    await account.order("f", Decimal(7))
    await account.order("g", Decimal(9))
    await account.fulfill("f")
    await account.change(pending=Pending(days=0, from_="fulfilled"))
    await account.order("i", Decimal(3))
    await account.fulfill("i", clock.now + timedelta(hours=8))
    await account.adjust(11)


def on_cycle(alter: Callable[[Cycle], None]) -> Plant:
    async def plant(connection: Connection) -> None:
        cycle = cycles.decode(await connection.fetchval("SELECT cycle FROM accounts"))
        alter(cycle)
        await connection.execute("UPDATE accounts SET cycle = $1", cycles.encode(cycle))

    return plant


def on_note(where: str, alter: Callable[[EntryLots], EntryLots]) -> Plant:
    """Alter what the first such entry notes about lots."""

    async def plant(connection: Connection) -> None:
        query = f"SELECT sequence, lots FROM entries WHERE {where} ORDER BY sequence LIMIT 1"
        sequence, text = (await connection.fetch(query))[0]
        note = alter(entry_lots.decode(text))
        await connection.execute(
            "UPDATE entries SET lots = $1 WHERE sequence = $2", entry_lots.encode(note), sequence
        )

    return plant


def on_rows(*statements: str) -> Plant:
    async def plant(connection: Connection) -> None:
        for statement in statements:
            assert await connection.execute(statement) != "UPDATE 0"

    return plant


def later(cycle: Cycle) -> None:
    cycle.lots.keys[-1] += 2


def split_otherwise(cycle: Cycle) -> None:
    cycle.lots.points[0] += 1
    cycle.lots.points[-1] -= 1


def own_date(cycle: Cycle) -> None:
    cycle.lots.keys[0] ^= 1


def forget_moves(cycle: Cycle) -> None:
    assert cycle.moves
    cycle.moves = ()


def follow_later_settings(cycle: Cycle) -> None:
    cycle.epoch += 9


def wait_until_later(cycle: Cycle) -> None:
    cycle.waits = [Wait(wait.day + 1, wait.gives_up, wait.orders) for wait in cycle.waits]


def release_later(cycle: Cycle) -> None:
    cycle.releases = [instant + timedelta(hours=1) for instant in cycle.releases]


def award_later(note: EntryLots) -> EntryLots:
    assert note.day is not None
    return msgspec.structs.replace(note, day=note.day + 1)


def parts_later(note: EntryLots) -> EntryLots:
    note.parts.keys[0] += 2
    return note


def cover_less(note: EntryLots) -> EntryLots:
    ((day, points),) = note.covered
    return msgspec.structs.replace(note, covered=((day, points - 1),))


PLANTS: list[tuple[str, Plant, str]] = [
    ("a lot of a later day", on_cycle(later), "its entries imply"),
    ("another split of the lots", on_cycle(split_otherwise), "its entries imply"),
    ("a lot with a date of its own", on_cycle(own_date), "its entries imply"),
    ("forgotten moves", on_cycle(forget_moves), "its dates were moved otherwise"),
    ("later settings", on_cycle(follow_later_settings), "that its store never had"),
    ("waits of later days", on_cycle(wait_until_later), "wait until other days"),
    ("a release at a later instant", on_cycle(release_later), "wait until other days"),
    ("a status of its own", on_rows("UPDATE accounts SET suspended = true"), "on a suspension"),
    ("no cycle", on_rows("UPDATE accounts SET cycle = NULL"), "and its account none"),
    ("a later award", on_note("order_id = 'a'", award_later), "its lots are an award of"),
    ("an award from another lot", on_note("order_id = 'b'", parts_later), "its lots are an award"),
    ("a debit from another lot", on_note("type = 'redeem'", parts_later), "its lots are 30 of"),
    ("a return to another lot", on_note("type = 'cancel'", parts_later), "its lots are 30 of"),
    ("another expiration", on_note("type = 'expire'", parts_later), "its lots are"),
    ("less covered", on_note("covered > 0", cover_less), "covered of"),
    (
        "a late expiration",
        on_rows(
            "UPDATE entries SET occurred_at = occurred_at + interval '1 day' WHERE type = 'expire'"
        ),
        "should have expired before",
    ),
    (
        "a release of more",
        on_rows(
            "UPDATE entries SET points = points + 1, pending = pending - 1 "
            "WHERE order_id = 'p' AND type = 'earn'"
        ),
        "50 points of its order were pending, not 51",
    ),
    (
        "an early release",
        on_rows(
            "UPDATE entries SET available_at = available_at - interval '1 day' "
            "WHERE order_id = 'p' AND type = 'earn'"
        ),
        "the wait for its points did not end",
    ),
    (
        "a wait that should be longer",
        on_rows(
            "UPDATE entries SET available_at = available_at - interval '1 day' "
            "WHERE order_id = 'w' AND type = 'pend'"
        ),
        "available_at is",
    ),
    (
        "a row with a longer wait",
        on_rows("UPDATE pending_awards SET wait_on = wait_on + 1 WHERE order_id = 'w'"),
        "its points wait until another day",
    ),
    (
        "a row with a later end of the wait for a fulfillment",
        on_rows("UPDATE pending_awards SET wait_on = wait_on + 1 WHERE order_id = 'g'"),
        "its points wait until another day",
    ),
    (
        "a fulfilled row with other days",
        on_rows("UPDATE pending_awards SET days = days + 1 WHERE order_id = 'f'"),
        "its points wait until another day",
    ),
    (
        "a row with less than the order has",
        on_rows("UPDATE pending_awards SET points = points - 1 WHERE order_id = 'w'"),
        "pending award of order w",
    ),
    (
        "a refund from available points before those that wait",
        on_rows(
            "UPDATE entries SET pending = NULL, points = -10 WHERE order_id = 'p' AND type = 'refund'"
        ),
        "60 points of its order were pending, and it takes 0 of them",
    ),
]


async def faults_after(connection: Connection, plant: Plant) -> list[str]:
    """What `verify` reports of the planted rows, which are then as before."""
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    await plant(connection)
    faults = [
        fault async for slice_ in books_check.check_all(connection) for fault in slice_.faults
    ]
    await transaction.rollback()
    return faults


@pytest.mark.parametrize("rows", [1, 20_000], ids=["slices of one row", "one slice"])
async def test_verify_reports_each_date_and_wait_that_does_not_follow(
    engine: AsyncEngine,
    clock: TestClock,
    earning_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
) -> None:
    account = await open_account(engine, clock, expiry=Expiry(kind="after", days=10))
    await fill(account)
    monkeypatch.setattr(books_check, "_ROWS", rows)
    connection = await asyncpg.connect(earning_database.owner_url)
    assert await faults_after(connection, on_rows()) == []
    missed = []
    for name, plant, expected in PLANTS:
        faults = await faults_after(connection, plant)
        if not any(expected in fault for fault in faults):
            missed.append((name, faults))
    assert not missed
    await connection.close()


@pytest.mark.parametrize("days", [0, 3])
async def test_verify_finds_a_give_up_and_late_fulfillments_consistent(
    engine: AsyncEngine, clock: TestClock, earning_database: Database, days: int
) -> None:
    account = await open_account(
        engine,
        clock,
        expiry=Expiry(kind="after", days=10),
        pending=Pending(days=days, from_="fulfilled", give_up_days=20),
    )
    for name in ("given-up", "late", "voided", "released"):
        await account.order(name, Decimal(100))
    await account.fulfill("overtaken", clock.now)
    await account.next_day(2)
    await account.order("overtaken", Decimal(50))
    await account.refund("given-up", 30)
    await account.void({"voided": 100})
    await account.release("released")
    fulfilled_at = clock.now
    await account.next_day(9)
    await account.change(expiry=Expiry(kind="yearly", dates=("12-31",)))
    await account.fulfill("late", fulfilled_at)
    await account.next_day(12)
    await account.touch()
    types = [(row["type"], row["points"], row["pending"]) for row in await account.entries()]
    assert ("earn", 100, -100) in types
    assert ("expire", 0, -70) in types
    connection = await asyncpg.connect(earning_database.owner_url)
    assert await faults_after(connection, on_rows()) == []
    await connection.close()
