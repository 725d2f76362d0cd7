"""Queries for transactions; each runs in the snapshot of its caller."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, select

from libs.kernel.ids import first_id_at, last_id_at
from libs.persistence.engine import Connection
from libs.persistence.statement import fetch
from services.earning.store.lists import count_matches
from services.earning.tables import accounts, entries

_COLUMNS: Final = (
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
    """Which transactions of a store, or of one of its accounts; both times are inclusive and refer
    to the posting time. With `order_id`, those of an order; `account_id` must be the order's account,
    whose entries are then searched from `from_sequence` on."""

    store_id: str
    account_id: int | None = None
    order_id: str | None = None
    from_sequence: int = 0
    type: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


async def find(connection: Connection, store_id: str, entry_id: UUID) -> Any:
    """The store's entry with that id, or None."""
    query = _select([entries.c.store_id == store_id, entries.c.id == entry_id])
    rows = await fetch(connection, query)
    return rows[0] if rows else None


async def read_page(
    connection: Connection, filter_: TransactionFilter, *, limit: int, after: Any
) -> tuple[Sequence[asyncpg.Record], int]:
    """Up to `limit` + 1 entries older than the entry `after`, newest first, and the number of
    matches, up to COUNT_LIMIT + 1."""
    conditions = _conditions(filter_)
    # An account is sorted by its sequence, a store by the ids, which are times.
    order = entries.c.id if filter_.account_id is None else entries.c.sequence
    page = _select(conditions).order_by(order.desc()).limit(limit + 1)
    if after is not None:
        page = page.where(order < after[order.name])
    matches = select(entries.c.id).where(*conditions)
    return await fetch(connection, page), await count_matches(connection, matches)


def _select(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    return (
        select(*_COLUMNS)
        .join_from(entries, accounts, accounts.c.id == entries.c.account_id)
        .where(*conditions)
    )


def _conditions(filter_: TransactionFilter) -> list[ColumnElement[bool]]:
    conditions = [entries.c.store_id == filter_.store_id]
    if filter_.account_id is not None:
        conditions.append(entries.c.account_id == filter_.account_id)
    if filter_.order_id is not None:
        conditions.append(entries.c.order_id == filter_.order_id)
        conditions.append(entries.c.sequence >= filter_.from_sequence)
    if filter_.type is not None:
        conditions.append(entries.c.type == filter_.type)
    if filter_.created_after is not None:
        conditions.append(entries.c.id >= first_id_at(filter_.created_after))
    if filter_.created_before is not None:
        conditions.append(entries.c.id <= last_id_at(filter_.created_before))
    return conditions
