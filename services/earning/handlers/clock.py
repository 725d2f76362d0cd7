"""The clocks of stores, which a local system moves forward so that shops and tests live through years."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.kernel.clock import format_time, parse_time, utc_now
from libs.kernel.errors import Conflict, Fault, InvalidRequest, NotFound, Unavailable
from libs.observability import logging
from libs.persistence.engine import Connection, transaction
from libs.persistence.errors import is_transient
from libs.persistence.idempotency import StoredResponse
from libs.persistence.stored_responses import write_once
from libs.persistence.writes import Write
from services.earning.handlers.forecasts import forecast_store
from services.earning.handlers.sweeping import post_due
from services.earning.store import clock as clock_db
from services.earning.store import due_accounts, forecasts, programs, store_visits
from services.earning.store.clock import Clock

log: Final = logging.get(__name__)

# How far a clock may be ahead of the real time: 20 years, of which five may be leap years.
MAX_SHIFT: Final = timedelta(days=20 * 365 + 5)
# Together less than the gateway waits for a response.
_POSTING_SECONDS: Final = 10.0
_FORECAST_SECONDS: Final = 3.0
_START: Final = datetime.min.replace(tzinfo=UTC)
_TOO_FAR: Final = "must not be more than 20 years ahead of the machine's clock"

Render = Callable[[Clock], StoredResponse]


class StoreClocks:
    """Reads and moves the clocks of stores. Unless they are movable, they all show the real time, and
    reading one takes no query."""

    def __init__(self, engine: AsyncEngine, *, movable: bool) -> None:
        self._engine = engine
        self._is_movable = movable
        # A move holds a connection while it posts on another one: several could wait for each other.
        self._one_move = asyncio.Lock()

    @property
    def latest(self) -> datetime:
        """The latest time that a clock may show now."""
        return utc_now() + (MAX_SHIFT if self._is_movable else timedelta(0))

    def require_movable(self) -> None:
        """Raise NotFound unless the clocks are movable."""
        if not self._is_movable:
            raise NotFound("Only a local system has clocks of stores.")

    async def now(self, store_id: str) -> datetime:
        """The present time of the store."""
        return (await self.read(store_id)).now if self._is_movable else utc_now()

    async def read(self, store_id: str) -> Clock:
        """The store's clock."""
        async with transaction(self._engine) as connection:
            return (await clock_db.read(connection, [store_id]))[store_id]

    async def read_now(self, store_ids: Iterable[str]) -> dict[str, datetime]:
        """The present time of each store."""
        async with transaction(self._engine) as connection:
            return await clock_db.read_now(connection, store_ids)

    async def move(self, write: Write[api.ClockRequest], render: Render) -> StoredResponse:
        """Move the store's clock forward, through every instant at which something falls due on the way, and post
        what is due there; then renew the store's forecast, unless that takes too long. Raises Conflict for a time
        before the clock's, InvalidRequest for one that is too far ahead, and Unavailable if posting takes too long:
        the clock then shows an instant on the way, and a repeated move goes on."""
        try:
            async with asyncio.timeout(_POSTING_SECONDS), self._one_move:
                moved = await self._move(write, render)
        except TimeoutError as error:
            raise Unavailable(
                "What falls due on the way is not all posted yet. Repeat the request to go on."
            ) from error
        await self._renew_forecast(write.store_id)
        return moved

    async def _renew_forecast(self, store_id: str) -> None:
        """Complete the forecast that the move has started, or leave it to the background task."""
        try:
            async with asyncio.timeout(_FORECAST_SECONDS):
                await forecast_store(self._engine, store_id)
        except Exception as error:
            # The clock has moved, whatever becomes of the forecast.
            if not is_transient(error):
                log.exception("forecast_not_renewed", store=store_id)

    async def _move(self, write: Write[api.ClockRequest], render: Render) -> StoredResponse:
        store_id, moment, passed = write.store_id, parse_time(write.body.now), _START

        async def move(connection: Connection) -> StoredResponse:
            await programs.lock_for_change(connection, store_id)
            clock = (await clock_db.read(connection, [store_id]))[store_id]
            # The clock goes on ticking while what is due shortly before `moment` is posted.
            is_past = clock.moving_to == moment and clock.now > moment
            moved = clock if is_past else _moved(clock, moment)
            due_at = await _first_instant(connection, store_id, after=passed, until=moment)
            if due_at is not None:
                raise _DueOnTheWay(due_at)
            await clock_db.move(
                connection, store_id, msgspec.structs.replace(moved, moving_to=None)
            )
            await forecasts.start_over(connection, store_id)
            return render(moved)

        while True:
            try:
                return await write_once(self._engine, write.claim, move)
            except _DueOnTheWay as due:
                passed = await self._post_at(store_id, due.at, moving_to=moment)

    async def _post_at(self, store_id: str, moment: datetime, *, moving_to: datetime) -> datetime:
        """Post what is due at `moment`, to which the store's clock is moved unless it is later, on its way to
        `moving_to`; returns by when everything is posted."""
        async with transaction(self._engine) as connection:
            await programs.lock_for_change(connection, store_id)
            clock = (await clock_db.read(connection, [store_id]))[store_id]
            shift = max(clock.shift, moment - clock.real)
            clock = msgspec.structs.replace(clock, shift=shift, moving_to=moving_to)
            await clock_db.move(connection, store_id, clock)
        await post_due(self._engine, until=clock.real, store_id=store_id)
        return clock.now


class _DueOnTheWay(Exception):
    """Something is due at the instant `at`, and has to be posted before the clock moves on."""

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.at = at


async def _first_instant(
    connection: Connection, store_id: str, *, after: datetime, until: datetime
) -> datetime | None:
    """When something is due first after `after` and by `until`: on an account, or a visit of the store."""
    instants = [
        await due_accounts.first_instant(connection, store_id, after=after, until=until),
        await store_visits.first_instant(connection, store_id, after=after, until=until),
    ]
    return min((instant for instant in instants if instant is not None), default=None)


def _moved(clock: Clock, moment: datetime) -> Clock:
    """The clock when it shows `moment`."""
    if moment < clock.now:
        raise Conflict(
            f"The store's clock shows {format_time(clock.now)} already, and only moves forward. Send a later "
            "time, or start over in another store."
        )
    shift = moment - clock.real
    if shift > MAX_SHIFT:
        raise InvalidRequest(
            f"#/now: {_TOO_FAR}.", errors=[Fault(detail=_TOO_FAR, pointer="#/now")]
        )
    return msgspec.structs.replace(clock, shift=shift)
