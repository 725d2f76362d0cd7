"""What the reads of earning show where points expire or wait, before and after it is posted."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.contracts.internal import Price
from libs.contracts.lifecycle import Expiry, Pending
from libs.kernel.clock import format_time
from libs.kernel.errors import InvalidRequest, NotFound
from libs.persistence.engine import transaction
from libs.persistence.pages import Page
from libs.persistence.slow_reads import SlowReads
from services.earning.api import order_responses, responses
from services.earning.domain.dates import NEVER, to_day
from services.earning.handlers import account_points, customers, debits
from services.earning.handlers.orders import Criteria, list_orders
from services.earning.handlers.summary import Summaries
from services.earning.store import days
from services.earning.store.customers import CustomerFilter
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import CUSTOMER, LedgerAccount, clock, engine, open_account

__all__ = ["clock", "engine"]

JANUARY_8 = to_day(datetime(2027, 1, 8, tzinfo=UTC).date())
AFTER = Expiry(kind="after", days=10)


def body(value: Any) -> Any:
    return msgspec.json.decode(api.encode(value))


async def status(account: LedgerAccount) -> Any:
    """The status in the response; the one in the list is the same."""
    one = await customers.get_status(account.engine, account.store, CUSTOMER)
    filter_ = CustomerFilter(store_id=account.store)
    listed = await customers.list_customers(
        SlowReads(account.engine), filter_, Page(20, None), tier=None
    )
    (in_list,) = map(body, map(responses.customer_status, listed.items))
    current = body(responses.customer_status(one))
    assert {key: value for key, value in current.items() if key != "transactions"} == in_list
    return current


async def missing(account: LedgerAccount, points: int) -> int:
    """The points that a reward's price check says are missing."""
    prices = [Price(points=points)]
    (refusal,) = await debits.find_refusals(account.engine, account.store, CUSTOMER, prices)
    return 0 if refusal is None else int(refusal.extra["missing"])  # type: ignore[call-overload]


async def test_a_status_leaves_out_points_from_the_end_of_their_day(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, expiry=AFTER)
    await account.award("own", 30, JANUARY_8)
    await account.earn("A", 100)
    expiring = {"points": 30, "expires_on": "2027-01-08", "expires_at": "2027-01-09T00:00:00.000Z"}
    current = await status(account)
    assert (current["points_balance"], current["next_expiration"]) == (130, expiring)
    assert "points_pending" not in current
    account.go_to(datetime(2027, 1, 8, 23, 59, 59, 999_000, tzinfo=UTC))
    assert await status(account) == current
    assert await missing(account, 130) == 0

    account.go_to(datetime(2027, 1, 9, tzinfo=UTC))
    later = await status(account)
    assert (later["points_balance"], later["next_expiration"]) == (
        100,
        {"points": 100, "expires_on": "2027-01-15", "expires_at": "2027-01-16T00:00:00.000Z"},
    )
    assert later["lifetime_points"] == 130
    assert await missing(account, 130) == 30
    assert len(await account.rows()) == 2
    await account.touch()
    assert len(await account.rows()) == 3
    posted = await status(account)
    assert {**later, "transactions": posted["transactions"]} == posted

    await account.next_day(30)
    assert "next_expiration" not in await status(account)


async def test_a_status_shows_an_account_that_is_older_than_the_setting(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock)
    await account.award("A", 30, None)
    await account.set_expiry(AFTER)
    assert (await status(account))["next_expiration"]["expires_on"] == "2027-01-15"
    await account.next_day(11)
    assert (await status(account))["points_balance"] == 0


async def test_a_status_shows_pending_points_until_they_are_released(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, pending=Pending(days=2))
    await account.order("o1", Decimal(100))
    await account.refund("o1", 30)
    current = await status(account)
    assert (current["points_balance"], current["points_pending"]) == (0, 70)
    await account.next_day(3)
    await account.touch()
    released = await status(account)
    assert released["points_balance"] == 70
    assert "points_pending" not in released


async def test_nothing_of_a_suspended_account_is_left_out(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, expiry=AFTER)
    await account.earn("A", 100)
    await account.suspend()
    await account.next_day(40)
    current = await status(account)
    assert (current["points_balance"], current["next_expiration"]["expires_on"]) == (
        100,
        "2027-01-15",
    )


async def expirations(account: LedgerAccount, **page: Any) -> Any:
    listed = await account_points.list_expirations(
        account.engine, account.store, CUSTOMER, **({"limit": 20, "after": None} | page)
    )
    return body(responses.expirations(listed))


async def test_expirations_are_listed_by_day_and_sum_to_the_balance(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, expiry=AFTER)
    await account.award("own", 30, JANUARY_8)
    await account.award("never", 5, NEVER)
    await account.award("of the day", 7, JANUARY_8 + 7)
    await account.earn("A", 100)
    first = {"points": 30, "expires_on": "2027-01-08", "expires_at": "2027-01-09T00:00:00.000Z"}
    second = {"points": 107, "expires_on": "2027-01-15", "expires_at": "2027-01-16T00:00:00.000Z"}
    everything = {"data": [first, second], "total": 2, "has_more": False, "without_date": 5}
    assert await expirations(account) == everything
    assert await expirations(account, limit=1) == everything | {"data": [first], "has_more": True}
    after = date(2027, 1, 8)
    assert await expirations(account, limit=1, after=after) == everything | {"data": [second]}

    await account.next_day(4)
    assert await expirations(account, after=after) == everything | {"data": [second], "total": 1}
    await account.set_expiry(None)
    assert await expirations(account) == everything | {
        "data": [second | {"points": 7}],
        "total": 1,
        "without_date": 105,
    }


async def test_a_negative_balance_has_no_points_to_expire(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock)
    await account.order("o1", Decimal(50))
    await account.redeem("R", 50)
    await account.refund("o1", None)
    nothing = {"data": [], "total": 0, "has_more": False, "without_date": 0}
    assert await expirations(account) == nothing
    await account.set_expiry(AFTER)
    assert await expirations(account) == nothing


async def pending(account: LedgerAccount, limit: int = 20, after: str | None = None) -> Any:
    listed = await account_points.list_pending(
        account.engine, account.store, CUSTOMER, Page(limit, after)
    )
    data = body(list(map(responses.pending_points, listed.items)))
    return [item["order_id"] for item in data], data, listed.has_more, listed.counted


async def test_pending_points_are_listed_by_their_release_and_sum_to_the_status(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, pending=Pending(days=30), time_zone="Europe/Berlin")
    await account.order("late", Decimal(10))
    await account.set_pending(Pending(days=2))
    await account.order("early", Decimal(20))
    await account.set_pending(Pending(days=0, from_="fulfilled", give_up_days=20))
    await account.order("o3", Decimal(40))
    await account.order("o4", Decimal(80))
    await account.refund("o4", 5)
    await account.order("refunded", Decimal(160))
    await account.refund("refunded", None)
    await account.order("ahead", Decimal(320))
    # It is dated ahead, to the day after the release of "early", and before that of "late".
    await account.fulfill("ahead", clock.now + timedelta(days=3))

    order_ids, data, has_more, counted = await pending(account)
    assert (order_ids, has_more, counted) == (["early", "ahead", "late", "o3", "o4"], False, 5)
    assert sum(item["points"] for item in data) == (await status(account))["points_pending"] == 465
    assert data[0] == {
        "transaction_id": await account.transaction_of("early"),
        "order_id": "early",
        "points": 20,
        "available_at": "2027-01-07T23:00:00.000Z",
    }
    assert data[1]["available_at"] == format_time(clock.now + timedelta(days=3))
    assert data[4] == {
        "transaction_id": await account.transaction_of("o4"),
        "order_id": "o4",
        "points": 75,
        "available_at": None,
        "waits_for": "fulfilled",
        "gives_up_at": "2027-01-25T23:00:00.000Z",
    }
    cursor = None
    for order_id in order_ids:
        (listed, (item,), more, _) = await pending(account, 1, cursor)
        assert (listed, more) == ([order_id], order_id != "o4")
        cursor = item["transaction_id"]
    with pytest.raises(InvalidRequest):
        await pending(account, 20, await account.transaction_of("refunded"))


async def test_a_customer_without_settings_has_undated_points_and_none_that_wait(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock)
    await account.earn("A", 100)
    undated = {"data": [], "total": 0, "has_more": False, "without_date": 100}
    assert await expirations(account) == undated
    assert await pending(account) == ([], [], False, 0)
    account.store = "store_other"
    for read in (expirations, pending):
        with pytest.raises(NotFound):
            await read(account)


async def order_dates(account: LedgerAccount, order_id: str) -> tuple[str, str | None, str | None]:
    """The type of the transaction that the list of orders names, `available_at` and `expires_on`."""
    criteria = Criteria(store_id=account.store, order_id=order_id)
    (order,) = (await list_orders(SlowReads(account.engine), criteria, Page(20, None))).items
    item = body(order_responses.order(order))
    types = {f"txn_{row['id']}": row["type"] for row in await account.entries()}
    return types[item["transaction_id"]], item.get("available_at"), item.get("expires_on")


async def test_an_order_shows_when_its_points_are_available_and_how_long(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, pending=Pending(days=2), expiry=AFTER)
    await account.order("o1", Decimal(10))
    await account.order("o2", Decimal(20))
    await account.set_pending(Pending(days=2, from_="fulfilled", give_up_days=20))
    await account.order("o3", Decimal(40))
    assert await order_dates(account, "o1") == ("pend", "2027-01-08T00:00:00.000Z", None)
    assert await order_dates(account, "o3") == ("pend", None, None)
    await account.set_zone("Europe/Berlin")
    assert await order_dates(account, "o1") == ("pend", "2027-01-07T23:00:00.000Z", None)

    await account.release("o1")
    released_at = format_time(clock.now)
    assert await order_dates(account, "o1") == ("earn", released_at, "2027-01-15")
    await account.next_day(20)
    await account.touch()
    assert await order_dates(account, "o2") == ("earn", "2027-01-07T23:00:00.000Z", "2027-01-18")
    assert await order_dates(account, "o3") == ("pend", None, None)
    await account.next_day()
    await account.touch()
    assert [row.type for row in await account.rows()].count("expire") == 3
    assert await order_dates(account, "o3") == ("pend", None, None)


async def test_the_last_day_of_an_order_follows_the_setting(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock)
    await account.earn("A", 100)
    assert await order_dates(account, "A") == ("earn", None, None)
    await account.set_pending(Pending(days=60))
    await account.order("waiting", Decimal(5))
    await account.set_pending(None)
    await account.next_day()
    await account.set_expiry(AFTER)
    assert await order_dates(account, "waiting") == ("pend", "2027-03-07T00:00:00.000Z", None)
    assert await order_dates(account, "A") == ("earn", None, "2027-01-16")
    await account.next_day()
    await account.earn("B", 10)
    await account.set_expiry(Expiry(kind="yearly", dates=("06-30",)))
    assert await order_dates(account, "B") == ("earn", None, "2027-06-30")
    await account.set_expiry(None)
    assert await order_dates(account, "B") == ("earn", None, None)
    await account.set_expiry(Expiry(kind="inactivity", days=5))
    assert await order_dates(account, "B") == ("earn", None, None)


async def summary(account: LedgerAccount) -> tuple[dict[str, int], int | None]:
    """The points issued by day, and those that wait."""
    async with transaction(account.engine) as connection:
        await days.fold(connection)
    # Totals are cached.
    summaries = Summaries(SlowReads(account.engine))
    first, last = date(2027, 1, 1), date(2027, 12, 31)
    current = await summaries.get(account.store, first=first, last=last)
    content = body(responses.summary(current))
    issued = {day["date"]: day["issued"] for day in content["days"] if day["issued"]}
    return issued, content.get("points_pending")


async def test_a_summary_counts_points_when_they_are_released_on_the_day_of_the_order(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock, pending=Pending(days=9))
    await account.order("o1", Decimal(10))
    await account.next_day()
    await account.order("o2", Decimal(20))
    await account.refund("o2", 5)
    assert await summary(account) == ({}, 25)
    await account.release("o2")
    assert await summary(account) == ({"2027-01-06": 15}, 10)
    await account.next_day(20)
    await account.touch()
    assert await summary(account) == ({"2027-01-05": 10, "2027-01-06": 15}, None)
    async with transaction(engine) as connection:
        await days.rebuild(connection)
    assert await summary(account) == ({"2027-01-05": 10, "2027-01-06": 15}, None)


async def test_a_status_without_settings_has_the_fields_of_before(
    engine: AsyncEngine, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await open_account(engine, clock)
    await account.earn("A", 100)

    async def refuse(*_: Any) -> Any:
        raise AssertionError("A store without settings has no timeline to read.")

    monkeypatch.setattr("services.earning.store.timelines.read", refuse)
    assert (await status(account)).keys() == {
        *("customer_id", "points_balance", "lifetime_points", "tier", "transactions"),
        *("member_since", "status"),
    }
