"""The accounts on which something is due."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from libs.persistence.engine import Connection

_LOCK_SPACE: Final = 6

_TRY_LOCK: Final = "SELECT statement_timestamp() WHERE pg_try_advisory_xact_lock($1, 0)"
# By the partial index `accounts_due_place`: at a midnight very many accounts are due at one instant. The instants
# are on the clocks of the stores.
READ: Final = """
SELECT a.store_id, a.customer_id, a.due_at, a.id
FROM accounts a LEFT JOIN store_clocks c USING (store_id)
WHERE a.due_at <= $1::timestamptz + (SELECT coalesce(max(shift_ms), 0) FROM store_clocks) * interval '1 millisecond'
  AND a.due_at <= $1::timestamptz + coalesce(c.shift_ms, 0) * interval '1 millisecond'
  AND (a.due_at, a.id) > ($2, $3)
  AND ($4::text IS NULL OR a.store_id = $4)
ORDER BY a.due_at, a.id LIMIT $5
"""
_FIRST_INSTANT: Final = """
SELECT due_at FROM accounts WHERE store_id = $1 AND due_at > $2 AND due_at <= $3
ORDER BY due_at LIMIT 1
"""


class DueAccount(Struct, frozen=True):
    """An account on which something may be due at `due_at`."""

    store_id: str
    customer_id: str
    due_at: datetime
    id: int


async def try_lock(connection: Connection) -> datetime | None:
    """Take the lock of the sweeper until the transaction ends, and return the time; None if another process has
    the lock."""
    now: datetime | None = await connection.fetchval(_TRY_LOCK, _LOCK_SPACE)
    return now


async def read(
    connection: Connection,
    *,
    until: datetime,
    after: tuple[datetime, int],
    limit: int,
    store_id: str | None = None,
) -> list[DueAccount]:
    """Up to `limit` accounts that are due when the real time is `until`, in the order of their instants, from the
    place `after` on: of all stores, or of one."""
    rows = await connection.fetch(READ, until, *after, store_id, limit)
    return [DueAccount(*row) for row in rows]


async def first_instant(
    connection: Connection, store_id: str, *, after: datetime, until: datetime
) -> datetime | None:
    """When the first account of the store is due after `after` and by `until` on the store's clock."""
    instant: datetime | None = await connection.fetchval(_FIRST_INSTANT, store_id, after, until)
    return instant
