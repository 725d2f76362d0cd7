"""Queries for customers."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, select, true

from libs.contracts.events import TransactionType
from libs.persistence.engine import Connection
from libs.persistence.statement import fetch
from services.earning.domain.tiers import TierSpan
from services.earning.store.lists import count_matches
from services.earning.tables import accounts, status_changes

_FIND: Final = """
SELECT id, customer_id, balance, lifetime, sequence, suspended, member_since, cycle
FROM accounts WHERE store_id = $1 AND customer_id = $2 AND member_since IS NOT NULL
"""
_FIND_STATUS: Final = """
SELECT a.id, a.customer_id, a.balance, a.lifetime, a.sequence, a.suspended, a.member_since, a.cycle,
       s.note AS status_note, s.changed_by AS status_by, s.changed_at AS status_changed_at,
       e.ids AS entry_ids, e.types AS entry_types, e.points AS entry_points, e.reasons AS entry_reasons
FROM accounts a
LEFT JOIN LATERAL (
    SELECT note, changed_by, changed_at FROM status_changes
    WHERE account_id = a.id ORDER BY changed_at DESC LIMIT 1
) AS s ON true
CROSS JOIN LATERAL (
    SELECT array_agg(id::text ORDER BY sequence DESC) AS ids, array_agg(type ORDER BY sequence DESC) AS types,
           array_agg(points ORDER BY sequence DESC) AS points,
           array_agg(reason ORDER BY sequence DESC) AS reasons
    FROM (
        SELECT sequence, id, type, points, reason FROM entries
        WHERE account_id = a.id ORDER BY sequence DESC LIMIT 10
    ) AS newest
) AS e
WHERE a.store_id = $1 AND a.customer_id = $2 AND a.member_since IS NOT NULL
"""
_COUNT_BY_LIFETIME: Final = """
SELECT width_bucket(lifetime, $2::bigint[]) AS reached, count(*) AS customers
FROM accounts WHERE store_id = $1 AND member_since IS NOT NULL GROUP BY reached
"""
# The highest character, which no id contains: every id with the prefix sorts below prefix + this.
_HIGHEST_CHARACTER: Final = "\U0010ffff"


class RecentEntry(NamedTuple):
    """What a status shows of an entry."""

    id: str
    type: TransactionType
    points: int
    reason: str


class CustomerFilter(Struct, frozen=True, kw_only=True):
    """Which customers of a store: by the start of their id, by tier, by status."""

    store_id: str
    prefix: str | None = None
    tier: TierSpan | None = None
    suspended: bool | None = None


async def find(connection: Connection, store_id: str, customer_id: str) -> Any:
    """The customer's account, or None."""
    return await connection.fetchrow(_FIND, store_id, customer_id)


async def find_status(connection: Connection, store_id: str, customer_id: str) -> Any:
    """The customer's account with the last change of its status, and its ten newest entries, newest first, column
    by column; or None. It is one statement, so that the entries are those of the balance."""
    return await connection.fetchrow(_FIND_STATUS, store_id, customer_id)


def recent_entries(status: Any) -> list[RecentEntry]:
    """The ten newest entries in a row that `find_status` returned, newest first."""
    if status["entry_ids"] is None:
        return []
    columns = (
        status[name] for name in ("entry_ids", "entry_types", "entry_points", "entry_reasons")
    )
    return list(map(RecentEntry, *columns))


async def count_by_lifetime(
    connection: Connection, store_id: str, bounds: Sequence[int]
) -> dict[int, int]:
    """The number of customers by how many of `bounds`, ascending lifetime points, they have reached."""
    rows = await connection.fetch(_COUNT_BY_LIFETIME, store_id, bounds)
    return {row["reached"]: row["customers"] for row in rows}


async def read_page(
    connection: Connection, filter_: CustomerFilter, *, limit: int, after: str | None
) -> tuple[Sequence[asyncpg.Record], int]:
    """Up to `limit` + 1 accounts whose customer ids follow `after`, each with the last change of its
    status, and the number of matches, up to COUNT_LIMIT + 1."""
    conditions = _conditions(filter_)
    page = (
        select(
            accounts.c.id,
            accounts.c.customer_id,
            accounts.c.balance,
            accounts.c.lifetime,
            accounts.c.sequence,
            accounts.c.suspended,
            accounts.c.member_since,
            accounts.c.cycle,
        )
        .where(*conditions)
        .order_by(accounts.c.customer_id)
        .limit(limit + 1)
    )
    if after is not None:
        page = page.where(accounts.c.customer_id > after)
    matches = select(accounts.c.id).where(*conditions)
    return await fetch(connection, _with_status(page)), await count_matches(connection, matches)


def _with_status(page: Select[Any]) -> Select[Any]:
    """The page's accounts with the last change of each status: looked up for the page alone."""
    account = page.subquery("account")
    change = (
        select(
            status_changes.c.note.label("status_note"),
            status_changes.c.changed_by.label("status_by"),
            status_changes.c.changed_at.label("status_changed_at"),
        )
        .where(status_changes.c.account_id == account.c.id)
        .order_by(status_changes.c.changed_at.desc())
        .limit(1)
        .lateral("change")
    )
    return (
        select(account, change)
        .select_from(account.outerjoin(change, true()))
        .order_by(account.c.customer_id)
    )


def _conditions(filter_: CustomerFilter) -> list[ColumnElement[bool]]:
    conditions = [accounts.c.store_id == filter_.store_id, accounts.c.member_since.is_not(None)]
    if filter_.prefix is not None:
        conditions.append(accounts.c.customer_id >= filter_.prefix)
        conditions.append(accounts.c.customer_id < filter_.prefix + _HIGHEST_CHARACTER)
    if filter_.tier is not None:
        conditions.append(accounts.c.lifetime >= filter_.tier.lowest)
        if filter_.tier.below is not None:
            conditions.append(accounts.c.lifetime < filter_.tier.below)
    if filter_.suspended is not None:
        conditions.append(accounts.c.suspended.is_(filter_.suspended))
    return conditions
