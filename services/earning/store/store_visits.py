"""Visits of all accounts of a store, which some changes of its settings make necessary.

A change of a program writes no account. Before the instant of the visit, nothing is due earlier than the
accounts' `due_at` says.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct

from libs.persistence.engine import Connection
from services.earning.domain.expiry import wake_at
from services.earning.domain.timelines import build_epochs
from services.earning.store import timelines

_PLAN: Final = """
INSERT INTO store_visits (due_at, store_id) VALUES ($1, $2)
ON CONFLICT (due_at, store_id) DO UPDATE SET after = ''
"""
# The instants are on the clocks of the stores.
_FIND: Final = """
SELECT v.store_id, v.due_at, v.after
FROM store_visits v LEFT JOIN store_clocks c USING (store_id)
WHERE v.due_at <= $1::timestamptz + (SELECT coalesce(max(shift_ms), 0) FROM store_clocks) * interval '1 millisecond'
  AND v.due_at <= $1::timestamptz + coalesce(c.shift_ms, 0) * interval '1 millisecond'
  AND ($2::text IS NULL OR v.store_id = $2)
ORDER BY v.due_at, v.store_id LIMIT 1
"""
_FIRST_INSTANT: Final = """
SELECT min(due_at) FROM store_visits WHERE store_id = $1 AND due_at > $2 AND due_at <= $3
"""
# Nothing can be due on an account without a cycle in a store that never had a setting.
_READ_CUSTOMERS: Final = """
SELECT customer_id,
       cycle IS NOT NULL OR EXISTS (SELECT FROM programs WHERE store_id = $1 AND has_lifecycle)
FROM accounts WHERE store_id = $1 AND customer_id > $2
ORDER BY customer_id LIMIT $3
"""
# Not if the visit was planned again meanwhile.
_GO_ON: Final = """
UPDATE store_visits SET after = $4 WHERE due_at = $1 AND store_id = $2 AND after = $3
"""
_END: Final = "DELETE FROM store_visits WHERE due_at = $1 AND store_id = $2 AND after = $3"


class StoreVisit(Struct, frozen=True):
    """A visit of the store's accounts with ids above `after`."""

    store_id: str
    due_at: datetime
    after: str


async def plan(connection: Connection, store_id: str) -> None:
    """Plan the visit that the newest version of the store's programs makes necessary, if it does."""
    versions = await timelines.read_versions(connection, store_id)
    before, after = build_epochs(versions[:-1]), build_epochs(versions)
    visit_at = wake_at(after[-2], after[-1]) if len(after) > len(before) else None
    if visit_at is not None:
        await connection.execute(_PLAN, visit_at, store_id)


async def find_due(
    connection: Connection, *, until: datetime, store_id: str | None = None
) -> StoreVisit | None:
    """The earliest visit that is due when the real time is `until`: of any store, or of one."""
    row = await connection.fetchrow(_FIND, until, store_id)
    return None if row is None else StoreVisit(*row)


async def first_instant(
    connection: Connection, store_id: str, *, after: datetime, until: datetime
) -> datetime | None:
    """When the first visit of the store is due after `after` and by `until` on the store's clock."""
    instant: datetime | None = await connection.fetchval(_FIRST_INSTANT, store_id, after, until)
    return instant


async def read_customers(
    connection: Connection, visit: StoreVisit, *, limit: int
) -> list[tuple[str, bool]]:
    """The next customers of the visit, up to `limit`, and whether anything may be due on their accounts."""
    rows = await connection.fetch(_READ_CUSTOMERS, visit.store_id, visit.after, limit)
    return [(row[0], row[1]) for row in rows]


async def go_on(connection: Connection, visit: StoreVisit, *, after: str) -> None:
    """Record that the customers up to `after` were visited."""
    await connection.execute(_GO_ON, visit.due_at, visit.store_id, visit.after, after)


async def end(connection: Connection, visit: StoreVisit) -> None:
    """Record that all customers were visited."""
    await connection.execute(_END, visit.due_at, visit.store_id, visit.after)
