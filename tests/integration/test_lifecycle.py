"""Points that expire and points that wait, in the real ledger."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import RewardRef
from libs.contracts.lifecycle import Expiry, Pending
from libs.kernel.errors import (
    AccountSuspended,
    Conflict,
    InsufficientPoints,
    InvalidRequest,
    NotFound,
)
from libs.persistence.pages import Page
from libs.persistence.slow_reads import SlowReads
from services.earning.domain.accounts import Entry, ManualEntry
from services.earning.domain.awards import Award
from services.earning.domain.catching_up import just_before
from services.earning.domain.dates import Day, add_months, day_of, to_date, to_day
from services.earning.domain.debits import Debit
from services.earning.domain.fulfillments import Fulfilled, Fulfillment, FulfillmentRecord
from services.earning.domain.postings import Duplicate
from services.earning.domain.programs import Tier
from services.earning.handlers.orders import Criteria, list_orders
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import CUSTOMER, LedgerAccount, clock, engine, open_account
from tests.integration.stored_account import faults
from tests.unit.earning.lifecycle_account import zone
from tests.unit.earning.test_expiry_tables import START

__all__ = ["clock", "engine"]


def debit(account: LedgerAccount, points: int) -> Debit:
    return Debit(
        store_id=account.store,
        customer_id=CUSTOMER,
        redemption_id=f"{account.store} debit",
        points=points,
        reward=RewardRef("rwd_1", "Coffee"),
        min_tier=None,
        occurred_at=account.clock.now,
    )


def award(account: LedgerAccount, points: int, last_day: Day) -> Award:
    return Award(
        store_id=account.store,
        customer_id=CUSTOMER,
        points=points,
        reason="Award",
        occurred_at=account.clock.now,
        posted_by="test",
        last_day=last_day,
    )


def fulfillment(account: LedgerAccount, order_id: str, *, customer_id: str) -> Fulfillment:
    return Fulfillment(
        store_id=account.store,
        customer_id=customer_id,
        order_id=order_id,
        fulfilled_at=account.clock.now,
    )


@pytest.mark.parametrize(
    ("completed", "zone_name", "available"),
    [
        ("2027-03-01T15:00:00Z", "UTC", "2027-03-16T00:00:00Z"),
        ("2027-03-01T04:30:00Z", "America/New_York", "2027-03-15T04:00:00Z"),
        ("2027-10-17T22:30:00Z", "Europe/Berlin", "2027-11-01T23:00:00Z"),
    ],
)
async def test_an_order_is_released_at_its_instant_and_raises_the_tier_then(
    engine: AsyncEngine, clock: TestClock, completed: str, zone_name: str, available: str
) -> None:
    silver = Tier("Silver", 5_000, Decimal("1.5"))
    account = await open_account(
        engine,
        clock,
        zone_name=zone_name,
        points_per_dollar=Decimal(10),
        tiers=(Tier("Bronze", 0, Decimal(1)), silver),
        pending=Pending(days=14),
        expiry=Expiry(kind="after", months=1),
    )
    account.go_to(datetime.fromisoformat(completed))
    await account.order("o1", Decimal(500))
    instant = datetime.fromisoformat(available)
    account.go_to(just_before(instant))
    await account.touch()
    row = await account.account()
    assert (row["balance"], row["lifetime"], row["tier"], row["due_at"]) == (
        0,
        0,
        "Bronze",
        instant,
    )
    account.go_to(instant)
    await account.touch()
    pend, earn = await account.entries()
    assert (pend["type"], pend["points"], pend["pending"]) == ("pend", 0, 5_000)
    assert (earn["type"], earn["points"], earn["pending"]) == ("earn", 5_000, -5_000)
    assert earn["occurred_at"] == pend["occurred_at"] == datetime.fromisoformat(completed)
    assert pend["available_at"] == earn["available_at"] == instant
    assert earn["program_version_id"] == pend["program_version_id"]
    row = await account.account()
    assert (row["balance"], row["lifetime"], row["tier"]) == (5_000, 5_000, "Silver")
    # A month after it became available.
    first = to_date(add_months(day_of(instant, zone(zone_name)), 1))
    assert [to_date(day) for day in await account.visible_lots()] == [first]


async def test_a_late_sweeper_posts_what_was_due_in_the_order_of_the_instants(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(
        engine, clock, pending=Pending(days=14), expiry=Expiry(kind="after", days=3)
    )
    await account.award("own", 10, None)
    await account.order("o1", Decimal(100))
    await account.next_day(60)
    await account.touch()
    rows = [(row.type, row.points, row.occurred_at) for row in (await account.rows())[2:]]
    assert [(kind, points) for kind, points, _ in rows] == [
        ("expire", -10),
        ("earn", 100),
        ("expire", -100),
    ]
    assert rows[0][2] == datetime(2027, 1, 9, tzinfo=UTC)
    assert rows[2][2] == datetime(2027, 1, 24, tzinfo=UTC)


async def test_what_is_due_is_posted_although_the_posting_is_refused(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, expiry=Expiry(kind="after", days=3))
    await account.earn("A", 100)
    await account.next_day(4)
    refusal = await account.post(debit(account, 50))
    assert isinstance(refusal, InsufficientPoints)
    assert [row.points for row in await account.rows()] == [100, -100]


async def test_a_release_returns_its_entry_again_and_nothing_is_released_twice(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, pending=Pending(days=14, from_="fulfilled"))
    await account.order("o1", Decimal(100))
    await account.order("o2", Decimal(0))
    await account.next_day(2)
    first = await account.release("o1")
    again = await account.release("o1")
    assert isinstance(first, Entry)
    assert first == again
    assert first.available_at == clock.now
    assert (await account.account())["due_at"] is None
    await account.next_day(400)
    await account.touch()
    assert [row.points for row in await account.rows()] == [0, 100]
    assert isinstance(await account.release("o2"), Conflict)
    assert isinstance(await account.release("o3"), NotFound)
    assert await faults(account) == []


async def test_an_order_is_listed_once_with_what_is_left_of_its_points(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, pending=Pending(days=14))
    await account.order("o1", Decimal(100))
    await account.order("o2", Decimal(50))
    await account.refund("o1", 30)
    await account.release("o2")
    pend, _, _, earn = await account.entries()
    reads = SlowReads(engine)

    async def read_list(**criteria: Any) -> list[tuple[str, int, Any]]:
        page = await list_orders(
            reads, Criteria(store_id=account.store, **criteria), Page(20, None)
        )
        rows = [order.row for order in page.items if order.row is not None]
        return [(row["order_id"], row["pending"], row["transaction_id"]) for row in rows]

    waiting, released = ("o1", 70, pend["id"]), ("o2", 0, earn["id"])
    assert await read_list() == [released, waiting]
    assert await read_list(state="counted") == [released, waiting]
    assert await read_list(state="pending") == [waiting]
    assert await read_list(order_id="o1", state="pending") == [waiting]
    assert await read_list(order_id="o2", state="pending") == []


async def test_only_the_first_fulfillment_of_the_customers_order_counts(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(
        engine, clock, pending=Pending(days=2, from_="fulfilled", give_up_days=30)
    )
    await account.order("o1", Decimal(100))
    other = fulfillment(account, "o1", customer_id="cust_2")
    assert isinstance(await account.post(other), Conflict)
    assert isinstance(await account.fulfill("o1"), Fulfilled)
    await account.next_day(1)
    assert isinstance(await account.fulfill("o1"), Duplicate)
    # The days of the first one have passed.
    await account.next_day(2)
    await account.touch()
    assert (await account.rows())[-1].points == 100
    assert isinstance(await account.fulfill("o1"), Duplicate)
    # Without an order, the first one waits.
    assert isinstance(await account.fulfill("o2"), FulfillmentRecord)
    assert isinstance(await account.fulfill("o2"), Duplicate)


async def test_a_fulfillment_whose_days_have_passed_releases_at_once(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, pending=Pending(days=2, from_="fulfilled"))
    await account.order("o1", Decimal(100))
    await account.next_day(9)
    await account.fulfill("o1", START)
    (_, earn) = await account.entries()
    assert (earn["points"], earn["available_at"]) == (100, datetime(2027, 1, 8, tzinfo=UTC))


@pytest.mark.parametrize(
    ("later_zone", "released_at"),
    [
        pytest.param("America/Los_Angeles", "2027-01-08T08:00:00Z", id="its day ends later"),
        pytest.param("Asia/Tokyo", "2027-01-07T18:00:00.001Z", id="its day has ended already"),
    ],
)
async def test_a_wait_ends_in_the_zone_in_force_then_whoever_posts_first(
    engine: AsyncEngine, clock: TestClock, later_zone: str, released_at: str
) -> None:
    account = await open_account(engine, clock, pending=Pending(days=2))
    await account.order("o1", Decimal(100))
    account.go_to(datetime(2027, 1, 7, 18, tzinfo=UTC))
    await account.set_zone(later_zone)
    account.go_to(max(clock.now, just_before(datetime.fromisoformat(released_at))))
    await account.touch()
    account.go_to(datetime.fromisoformat(released_at))
    await account.touch()
    (_, earn) = await account.entries()
    assert earn["available_at"] == datetime.fromisoformat(released_at)
    assert await faults(account) == []


async def test_a_suspended_account_waits_and_nothing_of_it_is_lost(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(
        engine, clock, pending=Pending(days=14), expiry=Expiry(kind="after", days=5)
    )
    await account.award("A", 10, None)
    await account.order("o1", Decimal(100))
    await account.suspend()
    await account.order("o2", Decimal(7))
    await account.next_day(60)
    await account.touch()
    assert isinstance(await account.release("o1"), AccountSuspended)
    assert len(await account.rows()) == 2
    await account.reinstate()
    rows = [(row.type, row.points) for row in (await account.rows())[2:]]
    # The held order's window has passed; it posts before the release.
    assert rows == [("earn", 7), ("earn", 100)]
    today = to_day(clock.now.date())
    assert await account.visible_lots() == {today + 30: 117}
    assert await faults(account) == []


async def test_a_void_takes_pending_points_first_and_an_order_once(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(
        engine, clock, pending=Pending(days=14), expiry=Expiry(kind="after", days=90)
    )
    await account.award("A", 10, None)
    await account.order("o1", Decimal(100))
    await account.order("o2", Decimal(50))
    await account.refund("o1", 20)
    await account.release("o2")
    pend = (await account.entries())[1]
    await account.void({"A": 10, "o1": 80, "o2": 50})
    *_, void = await account.entries()
    assert (void["type"], void["points"], void["pending"]) == ("void", -60, -80)
    row = await account.account()
    assert (row["balance"], row["lifetime"]) == (0, 0)
    assert pend["pending"] == 100
    assert await faults(account) == []


async def test_a_date_of_its_own_is_from_today_to_ten_years_ahead(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, zone_name="Asia/Tokyo")
    clock.now = datetime(2027, 1, 5, 16, tzinfo=UTC)
    today = to_day(date(2027, 1, 6))
    for last_day, is_valid in (
        (today - 1, False),
        (today, True),
        (add_months(today, 120), True),
        (add_months(today, 120) + 1, False),
    ):
        result = await account.post(award(account, 5, last_day))
        assert isinstance(result, ManualEntry) == is_valid
        assert isinstance(result, InvalidRequest) != is_valid
    assert list(await account.visible_lots()) == [today, add_months(today, 120)]


async def test_a_store_without_settings_has_the_rows_of_before(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock)
    await account.order("A", Decimal(100))
    await account.award("B", 5, None)
    await account.redeem("R", 30)
    await account.cancel("R")
    await account.refund("A", 40)
    await account.suspend()
    await account.reinstate()
    await account.void({"A": 60, "B": 5})
    for row in await account.entries():
        assert {row[name] for name in ("lots", "pending", "covered", "available_at")} == {None}
    row = await account.account()
    assert (row["balance"], row["cycle"], row["due_at"]) == (0, None, None)
    for event in await account.events("points.adjusted"):
        assert not event.keys() & {"lots", "pending", "covered", "available_at"}
