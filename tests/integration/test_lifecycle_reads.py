"""What the reads of earning show where points expire or wait, before and after it is posted."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.contracts.internal import Price
from libs.contracts.lifecycle import Expiry, Pending
from libs.persistence.engine import create_batch_engine
from libs.persistence.pages import Page
from libs.persistence.slow_reads import SlowReads
from services.earning.api import responses
from services.earning.domain.dates import to_day
from services.earning.handlers import customers, debits
from services.earning.store.customers import CustomerFilter
from tests.integration.conftest import Database
from tests.integration.lifecycle_ledger import CUSTOMER, LedgerAccount, TestClock
from tests.integration.test_lifecycle import open_account

START = datetime(2027, 1, 5, 12, tzinfo=UTC)
JANUARY_8 = to_day(datetime(2027, 1, 8, tzinfo=UTC).date())
AFTER = Expiry(kind="after", days=10)


@pytest.fixture
async def engine(earning_database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_batch_engine(earning_database.url, name="test", connections=8)
    yield engine
    await engine.dispose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> TestClock:
    return TestClock(START, monkeypatch)


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
