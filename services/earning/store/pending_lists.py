"""Pending awards as callers read them: the list of an account, and the points of a store; each query runs in the
snapshot of its caller."""

from typing import Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from libs.kernel.ids import parse_id
from libs.persistence.engine import Connection
from libs.persistence.pages import COUNT_LIMIT
from services.earning.domain.pending_awards import PendingAward
from services.earning.store import pending_awards

# In the order of the instants. A release at an instant follows those that are due when the day before it ends.
_PLACE: Final = "p.awaits_fulfillment, p.wait_on, coalesce(p.release_at, '-infinity'), p.sequence"
_WAITS: Final = "p.account_id = $1 AND p.wait_on IS NOT NULL"
_READ: Final = f"""
{pending_awards.SELECT}, e.id AS entry_id
FROM pending_awards p
{pending_awards.JOIN}
WHERE {_WAITS} AND ($2::bigint IS NULL OR ({_PLACE}) > (
    SELECT {_PLACE} FROM pending_awards p WHERE {_WAITS} AND p.sequence = $2
))
ORDER BY {_PLACE} LIMIT $3
"""  # noqa: S608  constants alone
_COUNT: Final = f"""
SELECT count(*) FROM (SELECT FROM pending_awards p WHERE {_WAITS} LIMIT {COUNT_LIMIT + 1}) AS matches
"""  # noqa: S608  constants alone
_SUM: Final = """
SELECT coalesce(sum(points), 0)::bigint FROM pending_awards WHERE store_id = $1 AND wait_on IS NOT NULL
"""
_FIND: Final = f"""
SELECT p.sequence FROM pending_awards p
JOIN entries e ON e.account_id = p.account_id AND e.sequence = p.sequence
WHERE {_WAITS} AND e.id = $2
"""  # noqa: S608  constants alone


class ListedAward(Struct, frozen=True):
    """A pending award, and the id of the entry that posted it."""

    award: PendingAward
    entry_id: UUID


async def find(connection: Connection, account_id: int, transaction_id: str) -> int | None:
    """The sequence of a transaction of which points wait, or None."""
    entry_id = parse_id("txn", transaction_id)
    if entry_id is None:
        return None
    sequence: int | None = await connection.fetchval(_FIND, account_id, entry_id)
    return sequence


async def sum_points(connection: Connection, store_id: str) -> int:
    """The points of the store that wait."""
    points: int = await connection.fetchval(_SUM, store_id)
    return points


async def read_page(
    connection: Connection, account_id: int, *, limit: int, after: int | None
) -> tuple[list[ListedAward], int]:
    """Up to `limit` awards of which points wait, from that of the entry `after` on, and their number up to
    COUNT_LIMIT + 1."""
    rows: list[asyncpg.Record] = await connection.fetch(_READ, account_id, after, limit)
    counted: int = await connection.fetchval(_COUNT, account_id)
    return [ListedAward(pending_awards.award(row), row["entry_id"]) for row in rows], counted
