"""The clock of the ledger: what a store calls now.

It is the database's clock, moved forward by the store's shift. Only a local system moves clocks; all others
have no rows here.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from libs.persistence.engine import Connection

# Truncated like the times of program versions, so that a posting is never before the version it follows.
_READ: Final = """
SELECT stores.id, coalesce(c.shift_ms, 0) AS shift_ms, date_trunc('milliseconds', clock_timestamp()) AS real,
       c.moving_to
FROM unnest($1::text[]) AS stores (id)
LEFT JOIN store_clocks c ON c.store_id = stores.id
"""
_MOVE: Final = """
INSERT INTO store_clocks (store_id, shift_ms, moving_to) VALUES ($1, $2, $3)
ON CONFLICT (store_id) DO UPDATE SET shift_ms = excluded.shift_ms, moving_to = excluded.moving_to
"""


class Clock(Struct, frozen=True):
    """A store's clock: the real time, and how far ahead of it the clock is. While it is being moved, or after that
    was interrupted, `moving_to` is the instant to which it is moved."""

    real: datetime
    shift: timedelta
    moving_to: datetime | None = None

    @property
    def now(self) -> datetime:
        return self.real + self.shift


async def read(connection: Connection, store_ids: Iterable[str]) -> dict[str, Clock]:
    """The clock of each store."""
    rows = await connection.fetch(_READ, list(store_ids))
    return {
        row["id"]: Clock(
            row["real"].astimezone(UTC),
            timedelta(milliseconds=row["shift_ms"]),
            None if row["moving_to"] is None else row["moving_to"].astimezone(UTC),
        )
        for row in rows
    }


async def read_now(connection: Connection, store_ids: Iterable[str]) -> dict[str, datetime]:
    """The present time of each store, in UTC. Read it after the locks on what it decides about."""
    clocks = await read(connection, store_ids)
    return {store_id: clock.now for store_id, clock in clocks.items()}


async def move(connection: Connection, store_id: str, clock: Clock) -> None:
    """Set how far the store's clock is ahead, and to where it is being moved. The caller holds the lock of the
    store's programs, so that no posting runs meanwhile."""
    await connection.execute(
        _MOVE, store_id, clock.shift // timedelta(milliseconds=1), clock.moving_to
    )
