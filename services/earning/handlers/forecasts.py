"""Forecasts of the points of whole stores that expire: renewed in the background, and read."""

import asyncio
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.background.periodic import Periodic
from libs.observability import logging
from libs.persistence.engine import Connection, snapshot, transaction
from libs.persistence.errors import is_transient
from services.earning.domain.dates import end_of, to_date
from services.earning.domain.forecasts import within
from services.earning.domain.programs import StorePrograms
from services.earning.domain.timelines import Timeline
from services.earning.store import forecasts, programs, timelines
from services.earning.store.forecasts import ForecastPass

log: Final = logging.get(__name__)

# A store is forecast so much later at most than its first setting or date.
_EVERY_SECONDS: Final = 5.0
# Bounds how long a slice holds its connection.
_ACCOUNTS: Final = 1_000
# Accounts between two turns of the event loop, a millisecond or a few: requests and postings go first.
_ACCOUNTS_PER_TURN: Final = 50
# A pause is this many times as long as the slice before it: the forecasts take 5 % of a core at most.
_PAUSE: Final = 19
# A pass takes a fifth of the time at most, and small stores are forecast every minute.
_RESTS_PER_PASS: Final = 4
_SHORTEST_REST: Final = timedelta(minutes=1)
_LONGEST_REST: Final = timedelta(minutes=15)


class ExpiringDay(Struct, frozen=True, kw_only=True):
    """`points` of so many `customers` expire at `expires_at`, when their last day `expires_on` ends."""

    points: int
    customers: int
    expires_on: date
    expires_at: datetime


class ExpirationForecast(Struct, frozen=True, kw_only=True):
    """The last days of points from `starts_on` to `ends_on`, earliest first, as of an instant on the store's clock.
    All are None if nothing can expire, or no forecast is complete yet."""

    as_of: datetime | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    days: Sequence[ExpiringDay] = ()


async def get_forecast(engine: AsyncEngine, store_id: str, *, days: int) -> ExpirationForecast:
    """The forecast from today to so many `days` later, both included."""
    async with snapshot(engine) as connection:
        stored = await forecasts.read(connection, store_id)
        if stored is None:
            return ExpirationForecast()
        timeline = await _read_timeline(connection, store_id)
    epoch = timeline.epochs[-1]
    today = epoch.day(timeline.now)
    listed = [
        ExpiringDay(
            points=one.points,
            customers=one.customers,
            expires_on=to_date(one.day),
            expires_at=end_of(one.day, epoch.zone),
        )
        for one in within(stored.days, days, today=today)
    ]
    return ExpirationForecast(
        as_of=stored.as_of,
        starts_on=to_date(today),
        ends_on=to_date(today + days),
        days=listed,
    )


def forecaster(
    engine: AsyncEngine, *, every_seconds: float = _EVERY_SECONDS, pause: float = _PAUSE
) -> Periodic:
    """A background task that renews the forecasts of all stores in which points may expire. Several processes
    share the work."""

    async def forecast() -> bool:
        started = time.monotonic()
        has_more = await forecast_next(engine)
        if has_more:
            await asyncio.sleep(pause * (time.monotonic() - started))
        return has_more

    return Periodic("forecast", forecast, every_seconds=every_seconds, is_transient=is_transient)


async def forecast_next(engine: AsyncEngine, *, limit: int = _ACCOUNTS) -> bool:
    """Read the next slice of up to `limit` accounts of the store whose turn it is; returns whether there may be
    more."""
    async with transaction(engine) as connection:
        pass_ = await forecasts.take(connection)
        if pass_ is None:
            return await forecasts.add_stores(connection)
        await _go_on(connection, pass_, limit)
    return True


async def forecast_store(engine: AsyncEngine, store_id: str, *, limit: int = _ACCOUNTS) -> None:
    """Complete the forecast of the store that is due, without pauses, as several processes may."""
    async with transaction(engine) as connection:
        await forecasts.add_stores(connection)
    is_due = True
    while is_due:
        async with transaction(engine) as connection:
            pass_ = await forecasts.take(connection, store_id)
            is_due = pass_ is not None
            if pass_ is not None:
                await _go_on(connection, pass_, limit)


async def _go_on(connection: Connection, pass_: ForecastPass, limit: int) -> None:
    timeline = await _read_timeline(connection, pass_.store_id)
    try:
        await _forecast_slice(connection, pass_, timeline, limit)
    except Exception as error:
        if is_transient(error):
            raise
        # A store that cannot be forecast does not hold up the others.
        log.exception("store_not_forecast", store=pass_.store_id)
        await forecasts.start_over(connection, pass_.store_id, rest=_LONGEST_REST)


async def _forecast_slice(
    connection: Connection, pass_: ForecastPass, timeline: Timeline, limit: int
) -> None:
    epoch, began_at = timeline.epochs[-1], pass_.began_at or timeline.now
    pass_.began_at = began_at
    has_expiry = epoch.expiry is not None
    if epoch.is_active:
        accounts = await forecasts.read_accounts(
            connection, pass_, limit=limit, only_dated=not has_expiry
        )
        for start in range(0, len(accounts), _ACCOUNTS_PER_TURN):
            pass_.forecast.add(accounts[start : start + _ACCOUNTS_PER_TURN], timeline)
            await asyncio.sleep(0)
        if len(accounts) == limit:
            await forecasts.go_on(connection, pass_)
            return
    rest = max(_RESTS_PER_PASS * (timeline.now - began_at), _SHORTEST_REST)
    await forecasts.complete(
        connection,
        pass_,
        can_expire=has_expiry or bool(pass_.forecast.days),
        rest=min(rest, _LONGEST_REST),
    )


async def _read_timeline(connection: Connection, store_id: str) -> Timeline:
    in_force = (await programs.read(connection, [store_id])).get(store_id, StorePrograms())
    return (await timelines.read(connection, [store_id], {store_id: in_force}))[store_id]
