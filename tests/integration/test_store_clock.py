"""Moving a store's clock while postings run, on real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.contracts.lifecycle import Expiry, Pending
from libs.kernel.caller import Caller
from libs.kernel.clock import format_time, utc_now
from libs.kernel.errors import Conflict, Unavailable
from libs.kernel.ids import time_of
from libs.persistence.engine import create_batch_engine, transaction
from libs.persistence.idempotency import StoredResponse
from libs.persistence.writes import Write
from services.earning.handlers import clock as clock_handlers
from services.earning.handlers.clock import StoreClocks
from services.earning.handlers.forecasts import ExpirationForecast, forecast_next, get_forecast
from services.earning.handlers.sweeping import post_due
from services.earning.store import clock, programs
from services.earning.store.clock import Clock
from tests.integration.conftest import Database
from tests.integration.ledger_clocks import RealClock
from tests.integration.lifecycle_ledger import LedgerAccount

STORE = "store_1"
CALLER = Caller(key_id="1", key_name="test", request_id="r", idempotency_key=None)


def render(moved: Clock) -> StoredResponse:
    return StoredResponse(200, format_time(moved.now).encode())


async def test_a_clock_moves_between_postings_never_during_one(earning_database: Database) -> None:
    """A posting in progress shares the lock of the store's programs."""
    engine = create_batch_engine(earning_database.url, name="test", connections=4)
    clocks = StoreClocks(engine, movable=True)
    moment = utc_now() + timedelta(days=400)
    body = api.ClockRequest(now=format_time(moment))
    async with transaction(engine) as posting:
        assert await programs.lock_and_read(posting, {STORE, "store_2"}) == {}
        moving = asyncio.create_task(clocks.move(Write(STORE, body, None, CALLER), render))
        done, _ = await asyncio.wait([moving], timeout=0.5)
        assert done == set()
        assert (await clock.read_now(posting, [STORE]))[STORE] < moment
    assert (await moving).body == format_time(moment).encode()
    async with transaction(engine) as posting:
        in_force = await programs.lock_and_read(posting, {STORE, "store_2"})
        assert in_force.keys() == {STORE}
        now = await clock.read_now(posting, [STORE, "store_2"])
    assert (await clocks.now(STORE)) >= now[STORE] >= moment > now["store_2"]
    await engine.dispose()


@pytest.fixture
async def account(earning_database: Database) -> AsyncIterator[LedgerAccount]:
    """An account whose points wait for two days, expire after six more, and are reminded of."""
    engine = create_batch_engine(earning_database.url, name="test", connections=4)
    account = LedgerAccount(engine, RealClock())
    await account.open()
    await account.change(
        pending=Pending(days=2), expiry=Expiry(kind="after", days=6), remind_days=(4, 1)
    )
    await account.order("o1", Decimal(100))
    yield account
    await engine.dispose()


async def move(account: LedgerAccount, moment: datetime) -> None:
    write = Write(account.store, api.ClockRequest(now=format_time(moment)), None, CALLER)
    moved = await StoreClocks(account.engine, movable=True).move(write, render)
    assert moved.body == format_time(moment).encode()


async def assert_lived_through(account: LedgerAccount, *, until: datetime) -> None:
    """The points were released, reminded of twice, and expired, each at its instant."""
    _, earn, expire = await account.entries()
    available_at, expires_at = earn["available_at"], expire["occurred_at"]
    assert (earn["points"], expire["points"]) == (100, -100)
    assert expires_at - available_at == timedelta(days=7)
    minute = timedelta(minutes=1)
    for entry, instant in ((earn, available_at), (expire, expires_at)):
        assert instant <= time_of(str(entry["id"])) < min(until, instant + minute)
    reminders = await account.events("points.expiring")
    assert [event["days_left"] for event in reminders] == [4, 1]


async def test_a_moved_clock_lives_through_every_instant_on_the_way(
    account: LedgerAccount,
) -> None:
    moment = utc_now() + timedelta(days=60)
    await move(account, moment)
    await assert_lived_through(account, until=moment)


async def test_a_moved_clock_lives_through_a_fulfillment_that_was_dated_ahead(
    account: LedgerAccount,
) -> None:
    await account.change(pending=Pending(days=0, from_="fulfilled"), expiry=None)
    await account.order("o2", Decimal(50))
    fulfilled_at = utc_now() + timedelta(hours=20)
    await account.fulfill("o2", fulfilled_at)
    await move(account, fulfilled_at + timedelta(hours=1))
    *_, earn = await account.entries()
    assert (earn["type"], earn["available_at"]) == ("earn", fulfilled_at)
    assert time_of(str(earn["id"])) < fulfilled_at + timedelta(minutes=1)


async def test_the_forecast_of_a_store_follows_its_clock(
    account: LedgerAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forecast() -> ExpirationForecast:
        return await get_forecast(account.engine, account.store, days=90)

    assert (await forecast()).as_of is None
    released = utc_now() + timedelta(days=4)
    await move(account, released)
    read = await forecast()
    assert read.as_of is not None
    assert read.as_of >= released
    assert [day.points for day in read.days] == [100]

    async def stall(*_: Any) -> None:
        await asyncio.sleep(60)

    # The move does not wait longer for a forecast that takes long.
    monkeypatch.setattr(clock_handlers, "forecast_store", stall)
    monkeypatch.setattr(clock_handlers, "_FORECAST_SECONDS", 0.1)
    await move(account, released + timedelta(days=1))
    assert (await forecast()).as_of == read.as_of
    # The background task follows.
    assert await forecast_next(account.engine)
    as_of = (await forecast()).as_of
    assert as_of is not None
    assert as_of > released + timedelta(days=1)


async def test_a_clock_moves_to_an_instant_at_which_something_is_due(
    account: LedgerAccount,
) -> None:
    available_at = (await account.entries())[0]["available_at"]
    write = Write(account.store, api.ClockRequest(now=format_time(available_at)), None, CALLER)
    moved = await StoreClocks(account.engine, movable=True).move(write, render)
    assert moved.body >= format_time(available_at).encode()
    assert [row.type for row in await account.rows()] == ["pend", "earn"]


async def test_a_move_that_takes_too_long_goes_on_when_it_is_repeated(
    account: LedgerAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = utc_now() + timedelta(days=60)
    calls = 0

    async def stall(engine: AsyncEngine, **options: Any) -> int:
        nonlocal calls
        calls += 1
        # After the visits that the program made necessary, and the release.
        await asyncio.sleep(60 if calls == 4 else 0)
        return await post_due(engine, **options)

    with monkeypatch.context() as patch:
        patch.setattr(clock_handlers, "post_due", stall)
        patch.setattr(clock_handlers, "_POSTING_SECONDS", 5)
        with pytest.raises(Unavailable, match="Repeat the request"):
            await move(account, moment)
    assert [row.type for row in await account.rows()] == ["pend", "earn"]
    await move(account, moment)
    await assert_lived_through(account, until=moment)


async def test_a_move_to_the_last_instant_goes_on_when_it_is_repeated(
    account: LedgerAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock has then passed the instant to which it moves."""
    await move(account, utc_now() + timedelta(days=4))
    expires_at = (await account.entries())[1]["available_at"] + timedelta(days=7)
    clocks = StoreClocks(account.engine, movable=True)

    async def stall(engine: AsyncEngine, **options: Any) -> int:
        await asyncio.sleep(60 if await clocks.now(account.store) >= expires_at else 0)
        return await post_due(engine, **options)

    with monkeypatch.context() as patch:
        patch.setattr(clock_handlers, "post_due", stall)
        patch.setattr(clock_handlers, "_POSTING_SECONDS", 5)
        with pytest.raises(Unavailable, match="Repeat the request"):
            await move(account, expires_at)
    # The sweeper may post it meanwhile.
    await post_due(account.engine, until=utc_now(), store_id=account.store)
    write = Write(account.store, api.ClockRequest(now=format_time(expires_at)), None, CALLER)
    assert (await clocks.move(write, render)).body > format_time(expires_at).encode()
    assert [row.type for row in await account.rows()] == ["pend", "earn", "expire"]
    with pytest.raises(Conflict):
        await clocks.move(write, render)
