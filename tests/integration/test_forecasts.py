"""Forecasts of the points of a store that expire, as processes make them and as callers read them."""

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.lifecycle import Expiry, Pending
from libs.persistence.engine import transaction
from services.earning.api import responses
from services.earning.domain.account_status import StatusChange
from services.earning.domain.awards import Award
from services.earning.domain.order_records import Order
from services.earning.handlers import account_points, forecasts
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.store import forecasts as forecasts_db
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import LedgerAccount, clock, engine, open_account
from tests.integration.test_lifecycle_reads import body

__all__ = ["clock", "engine"]

CUSTOMERS = [f"cust_{number:02}" for number in range(23)]
AFTER = Expiry(kind="after", days=20)


async def order(account: LedgerAccount, name: str, customers: list[str]) -> None:
    """An order of each customer; the points of each are others."""
    orders = [
        Order(
            account.store,
            customer,
            f"{name} {customer}",
            Decimal(number),
            "USD",
            None,
            "Order",
            account.clock.now,
        )
        for number, customer in enumerate(customers, start=1)
    ]
    await post_batch(account.engine, [PostingRequest(orders)], optimistic=True)


async def suspend(account: LedgerAccount, customer: str) -> None:
    change = StatusChange(
        store_id=account.store,
        customer_id=customer,
        suspended=True,
        note=None,
        changed_by="test",
    )
    await post_batch(account.engine, [PostingRequest([change])])


async def award(account: LedgerAccount, customer: str, points: int, days: int) -> None:
    """An award with a date of its own, in so many days."""
    posting = Award(
        store_id=account.store,
        customer_id=customer,
        points=points,
        reason="Birthday",
        occurred_at=account.clock.now,
        posted_by="test",
        last_day=await account.today() + days,
    )
    await post_batch(account.engine, [PostingRequest([posting])])


async def make_forecasts(engine: AsyncEngine, *, limit: int = 5) -> None:
    while await forecasts.forecast_next(engine, limit=limit):
        pass


async def forecast(account: LedgerAccount, days: int = 90) -> Any:
    read = await forecasts.get_forecast(account.engine, account.store, days=days)
    return body(responses.expiration_forecast(read))


async def sum_of_expirations(account: LedgerAccount) -> list[dict[str, Any]]:
    """The forecast's rows from the lists of all customers who are not suspended."""
    points, customers, ends = Counter[str](), Counter[str](), dict[str, str]()
    query = "SELECT customer_id FROM accounts WHERE store_id = $1 AND NOT suspended"
    for (customer,) in await account.fetch(query, account.store):
        listed = await account_points.list_expirations(
            account.engine, account.store, customer, limit=100, after=None
        )
        for row in body(responses.expirations(listed))["data"]:
            points[row["expires_on"]] += row["points"]
            customers[row["expires_on"]] += 1
            ends[row["expires_on"]] = row["expires_at"]
    return [
        {
            "points": points[day],
            "customers": customers[day],
            "expires_on": day,
            "expires_at": ends[day],
        }
        for day in sorted(points)
    ]


async def open_members(engine: AsyncEngine, clock: TestClock) -> LedgerAccount:
    """A store with customers who were touched since its setting began, who were not, who are suspended, and
    whose points have expired without an entry."""
    account = await open_account(engine, clock, zone_name="America/New_York")
    await order(account, "old", CUSTOMERS)
    await account.set_expiry(AFTER)
    await order(account, "first", CUSTOMERS[:12])
    await account.next_day(15)
    await order(account, "second", CUSTOMERS[6:18])
    await award(account, CUSTOMERS[7], 40, days=30)
    for customer in (CUSTOMERS[8], CUSTOMERS[20]):
        await suspend(account, customer)
    return account


async def test_a_forecast_is_the_sum_of_the_customers_lists(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_members(engine, clock)
    began_at = clock.now
    assert await forecast(account) == {
        "as_of": None,
        "starts_on": None,
        "ends_on": None,
        "points": 0,
        "data": [],
    }
    await make_forecasts(engine)
    read = await forecast(account)
    assert read["data"] == await sum_of_expirations(account)
    assert len(read["data"]) == 3
    assert read["points"] == sum(row["points"] for row in read["data"])
    assert (read["starts_on"], read["ends_on"]) == ("2027-01-20", "2027-04-20")
    assert read["as_of"].startswith(began_at.isoformat()[:19])

    # The first day has ended, and is not posted: it is left out although the forecast is the same.
    await account.next_day(6)
    later = await forecast(account, days=15)
    assert later["as_of"] == read["as_of"]
    assert later["data"] == read["data"][1:2]
    await start_over(account)
    await make_forecasts(engine)
    assert (await forecast(account))["data"] == await sum_of_expirations(account)


async def start_over(account: LedgerAccount) -> None:
    async with transaction(account.engine) as connection:
        await forecasts_db.start_over(connection, account.store)


async def test_several_processes_count_each_account_once(
    engine: AsyncEngine, clock: TestClock
) -> None:
    accounts = [await open_members(engine, clock) for _ in range(2)]
    await asyncio.gather(*(make_forecasts(engine, limit=2) for _ in range(4)))
    for account in accounts:
        assert (await forecast(account))["data"] == await sum_of_expirations(account)


async def test_a_slice_is_read_by_one_process(engine: AsyncEngine, clock: TestClock) -> None:
    accounts = [await open_members(engine, clock) for _ in range(2)]
    async with transaction(engine) as other_process:
        await forecasts_db.add_stores(other_process)
    async with transaction(engine) as other_process:
        pass_ = await forecasts_db.take(other_process)
        assert pass_ is not None
        await make_forecasts(engine)
        for account in accounts:
            is_forecast = (await forecast(account))["as_of"] is not None
            assert is_forecast == (account.store != pass_.store_id)
    await make_forecasts(engine)
    for account in accounts:
        assert (await forecast(account))["data"] == await sum_of_expirations(account)


async def test_own_dates_are_forecast_without_a_setting(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock)
    await order(account, "old", CUSTOMERS)
    await make_forecasts(engine)
    await award(account, CUSTOMERS[3], 40, days=30)
    await make_forecasts(engine)
    read = await forecast(account)
    assert [(row["points"], row["expires_on"]) for row in read["data"]] == [(40, "2027-02-04")]
    await account.set_active(is_active=False)
    await make_forecasts(engine)
    assert (await forecast(account))["as_of"] is None


async def test_nothing_is_read_where_nothing_can_expire(
    engine: AsyncEngine, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = await open_account(engine, clock)
    waiting = await open_account(engine, clock, pending=Pending(days=9))
    for account in (nothing, waiting):
        await order(account, "old", CUSTOMERS)
    await make_forecasts(engine)
    stores = [row[0] for row in await nothing.fetch("SELECT store_id FROM expiration_forecasts")]
    assert nothing.store not in stores
    assert (await forecast(waiting))["as_of"] is None

    async def refuse(*_: Any) -> Any:
        raise AssertionError("There is no forecast to date.")

    monkeypatch.setattr("services.earning.store.timelines.read", refuse)
    for account in (nothing, waiting):
        assert (await forecast(account))["data"] == []


async def test_a_change_of_the_program_starts_a_new_forecast(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_members(engine, clock)
    await make_forecasts(engine)
    before = await forecast(account)
    clock.now += timedelta(hours=1)
    await start_over(account)
    # The change comes between the slices of a pass.
    assert await forecasts.forecast_next(engine, limit=5)
    await account.set_expiry(Expiry(kind="yearly", dates=("03-31",)))
    assert (await forecast(account))["data"] == before["data"]
    await make_forecasts(engine)
    after = await forecast(account)
    assert after["data"] == await sum_of_expirations(account) != before["data"]
    assert after["as_of"] > before["as_of"]


async def test_a_store_that_cannot_be_forecast_does_not_hold_up_the_others(
    engine: AsyncEngine, clock: TestClock, caplog: pytest.LogCaptureFixture
) -> None:
    broken, other = [await open_members(engine, clock) for _ in range(2)]
    unknown = "UPDATE accounts SET cycle = '\\x7f'::bytea WHERE store_id = $1 AND customer_id = $2"
    async with transaction(engine) as connection:
        await connection.execute(unknown, broken.store, CUSTOMERS[9])
    await make_forecasts(engine)
    assert (await forecast(broken))["as_of"] is None
    assert (await forecast(other))["data"] == await sum_of_expirations(other)


async def test_stores_take_turns(engine: AsyncEngine, clock: TestClock) -> None:
    large, small = [await open_account(engine, clock, expiry=AFTER) for _ in range(2)]
    await order(large, "first", CUSTOMERS)
    await order(small, "first", CUSTOMERS[:3])
    async with transaction(engine) as connection:
        await forecasts_db.add_stores(connection)
        # It comes after the first slice of the large store.
        await forecasts_db.start_over(connection, small.store)
    for _ in range(2):
        assert await forecasts.forecast_next(engine, limit=5)
    assert (await forecast(small))["as_of"] is not None
    assert (await forecast(large))["as_of"] is None
