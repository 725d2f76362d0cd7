"""The queries that callers read the ledger with; each runs in the snapshot of its caller."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, select

from libs.kernel.ids import first_id_at, last_id_at
from libs.persistence.engine import Connection
from libs.persistence.statement import fetch
from services.earning.tables import accounts, entries

# A count beyond this tells nobody more, and would cost a scan of the store's whole history.
COUNT_LIMIT: Final = 10_000

_ACCOUNT: Final = """
SELECT id, customer_id, balance, lifetime, suspended, member_since
FROM accounts WHERE store_id = $1 AND customer_id = $2 AND member_since IS NOT NULL
"""
_RECENT: Final = """
SELECT id, type, points, reason
FROM entries WHERE account_id = $1 ORDER BY sequence DESC LIMIT 10
"""
# No id has this character, the last there is: whatever begins so sorts below the prefix and it.
_LAST: Final = "\U0010ffff"

_SHOWN: Final = (
    entries.c.id,
    entries.c.sequence,
    accounts.c.customer_id,
    entries.c.type,
    entries.c.points,
    entries.c.reason,
    entries.c.balance_after,
    entries.c.reward_id,
    entries.c.reward_name,
    entries.c.order_id,
    entries.c.redemption_id,
    entries.c.occurred_at,
)


class TransactionFilter(Struct, frozen=True, kw_only=True):
    """Which transactions of a store, or of one account in it; both times are inclusive and mean
    when it was posted."""

    store_id: str
    account_id: int | None = None
    type: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class CustomerFilter(Struct, frozen=True, kw_only=True):
    """Which customers of a store: by the start of their id, by the lifetime points that hold a tier
    (from, up to but without), by status."""

    store_id: str
    prefix: str | None = None
    lifetime: tuple[int, int | None] | None = None
    suspended: bool | None = None


async def account(connection: Connection, store_id: str, customer_id: str) -> Any:
    """The customer's account, or None."""
    return await connection.fetchrow(_ACCOUNT, store_id, customer_id)


async def recent(connection: Connection, account_id: int) -> Sequence[asyncpg.Record]:
    """The account's ten newest entries, newest first."""
    rows: list[asyncpg.Record] = await connection.fetch(_RECENT, account_id)
    return rows


async def transaction(connection: Connection, store_id: str, entry_id: UUID) -> Any:
    """One entry of the store, or None."""
    asked = _transactions([entries.c.store_id == store_id, entries.c.id == entry_id])
    rows = await fetch(connection, asked)
    return rows[0] if rows else None


async def transactions(
    connection: Connection,
    wanted: TransactionFilter,
    *,
    limit: int,
    after: Any,
) -> tuple[Sequence[asyncpg.Record], int]:
    """Up to `limit` + 1 entries older than `after`, newest first, and how many match in all
    (at most COUNT_LIMIT + 1)."""
    conditions = _matching_transactions(wanted)
    # An account's own order is its sequence; a store's is that of the ids, which are times.
    order = entries.c.id if wanted.account_id is None else entries.c.sequence
    page = _transactions(conditions).order_by(order.desc()).limit(limit + 1)
    if after is not None:
        page = page.where(order < after[order.name])
    matching = select(entries.c.id).where(*conditions)
    return await fetch(connection, page), await _count(connection, matching)


async def customers(
    connection: Connection, wanted: CustomerFilter, *, limit: int, after: str | None
) -> tuple[Sequence[asyncpg.Record], int]:
    """Up to `limit` + 1 accounts whose customer ids follow `after`, and how many match in all (at
    most COUNT_LIMIT + 1)."""
    conditions = _matching_customers(wanted)
    page = (
        select(
            accounts.c.customer_id,
            accounts.c.balance,
            accounts.c.lifetime,
            accounts.c.suspended,
            accounts.c.member_since,
        )
        .where(*conditions)
        .order_by(accounts.c.customer_id)
        .limit(limit + 1)
    )
    if after is not None:
        page = page.where(accounts.c.customer_id > after)
    matching = select(accounts.c.id).where(*conditions)
    return await fetch(connection, page), await _count(connection, matching)


async def _count(connection: Connection, matching: Select[Any]) -> int:
    counted = select(func.count()).select_from(matching.limit(COUNT_LIMIT + 1).subquery())
    (row,) = await fetch(connection, counted)
    count: int = row[0]
    return count


def _transactions(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    return (
        select(*_SHOWN)
        .join_from(entries, accounts, accounts.c.id == entries.c.account_id)
        .where(*conditions)
    )


def _matching_transactions(wanted: TransactionFilter) -> list[ColumnElement[bool]]:
    conditions = [entries.c.store_id == wanted.store_id]
    if wanted.account_id is not None:
        conditions.append(entries.c.account_id == wanted.account_id)
    if wanted.type is not None:
        conditions.append(entries.c.type == wanted.type)
    if wanted.created_after is not None:
        conditions.append(entries.c.id >= first_id_at(wanted.created_after))
    if wanted.created_before is not None:
        conditions.append(entries.c.id <= last_id_at(wanted.created_before))
    return conditions


def _matching_customers(wanted: CustomerFilter) -> list[ColumnElement[bool]]:
    conditions = [accounts.c.store_id == wanted.store_id, accounts.c.member_since.is_not(None)]
    if wanted.prefix is not None:
        conditions.append(accounts.c.customer_id >= wanted.prefix)
        conditions.append(accounts.c.customer_id < wanted.prefix + _LAST)
    if wanted.lifetime is not None:
        lowest, below = wanted.lifetime
        conditions.append(accounts.c.lifetime >= lowest)
        if below is not None:
            conditions.append(accounts.c.lifetime < below)
    if wanted.suspended is not None:
        conditions.append(accounts.c.suspended.is_(wanted.suspended))
    return conditions
