"""The clocks of stores, which a local system moves forward so that shops and tests live through years."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.kernel.clock import format_time, parse_time, utc_now
from libs.kernel.errors import Conflict, Fault, InvalidRequest, NotFound
from libs.persistence.engine import Connection, transaction
from libs.persistence.idempotency import StoredResponse
from libs.persistence.stored_responses import write_once
from libs.persistence.writes import Write
from services.earning.store import clock as clock_db
from services.earning.store import programs
from services.earning.store.clock import Clock

# How far a clock may be ahead of the real time: 20 years, of which five may be leap years.
MAX_SHIFT: Final = timedelta(days=20 * 365 + 5)
_TOO_FAR: Final = "must not be more than 20 years ahead of the machine's clock"

Render = Callable[[Clock], StoredResponse]


class StoreClocks:
    """Reads and moves the clocks of stores. Unless they are movable, they all show the real time, and
    reading one takes no query."""

    def __init__(self, engine: AsyncEngine, *, movable: bool) -> None:
        self._engine = engine
        self._is_movable = movable

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
        """Move the store's clock forward. Raises Conflict for a time before the clock's, and InvalidRequest for
        one that is too far ahead."""
        moment = parse_time(write.body.now)

        async def move(connection: Connection) -> StoredResponse:
            await programs.lock_for_change(connection, write.store_id)
            clocks = await clock_db.read(connection, [write.store_id])
            moved = _moved(clocks[write.store_id], moment)
            await clock_db.move(connection, write.store_id, moved.shift)
            return render(moved)

        return await write_once(self._engine, write.claim, move)


def _moved(clock: Clock, moment: datetime) -> Clock:
    """The clock when it shows `moment`."""
    if moment < clock.now:
        raise Conflict(
            f"The store's clock shows {format_time(clock.now)} already, and only moves forward."
        )
    shift = moment - clock.real
    if shift > MAX_SHIFT:
        raise InvalidRequest(f"now: {_TOO_FAR}.", errors=[Fault(detail=_TOO_FAR, pointer="#/now")])
    return msgspec.structs.replace(clock, shift=shift)
