"""Queries for transactions; each runs in the snapshot of its caller."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Select, Uuid, any_, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from libs.kernel.ids import first_id_at, last_id_at
from libs.persistence.engine import Connection
from libs.persistence.statement import fetch
from services.earning.store.lists import count_matches
from services.earning.store.transaction_details import with_details
from services.earning.tables import entries

_COLUMNS: Final = (
    entries.c.id,
    entries.c.store_id,
    entries.c.account_id,
    entries.c.sequence,
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

# Plain SQL: to compile the query of `find` would cost as much as to compile that of a page.
_FIND_PLACE: Final = """
SELECT e.id, e.sequence, e.occurred_at, a.customer_id
FROM entries e JOIN accounts a ON a.id = e.account_id
WHERE e.store_id = $1 AND e.id = $2
"""


class TransactionFilter(Struct, frozen=True, kw_only=True):
    """Which transactions of a store, or of one of its accounts; all times are inclusive, and `created_*`
    refer to the posting time. With `order_id`, those of an order; `account_id` must be the order's account,
    whose entries are then searched from `from_sequence` on.

    `order` is `occurred_at`, by the time of the event, or `-occurred_at`, newest first. It and `occurred_*`
    need an account: no index has the times of events.
    """

    store_id: str
    account_id: int | None = None
    order_id: str | None = None
    from_sequence: int = 0
    type: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    occurred_after: datetime | None = None
    occurred_before: datetime | None = None
    ids: Sequence[UUID] | None = None
    order: str | None = None


async def find(connection: Connection, store_id: str, entry_id: UUID) -> Any:
    """The store's entry with that id, or None."""
    query = select(*_COLUMNS).where(entries.c.store_id == store_id, entries.c.id == entry_id)
    rows = await fetch(connection, with_details(query))
    return rows[0] if rows else None


async def find_place(connection: Connection, store_id: str, entry_id: UUID) -> Any:
    """Where the entry is in every list, and its customer; None if the store has no such entry."""
    return await connection.fetchrow(_FIND_PLACE, store_id, entry_id)


async def read_page(
    connection: Connection, filter_: TransactionFilter, *, limit: int, after: Any
) -> tuple[Sequence[asyncpg.Record], int]:
    """Up to `limit` + 1 entries that follow the entry `after`, newest first unless the filter has an
    order, and the number of matches, up to COUNT_LIMIT + 1."""
    conditions = _conditions(filter_)
    columns = _order_columns(filter_)
    ascending = filter_.order == "occurred_at"
    page = select(*_COLUMNS).where(*conditions)
    if after is not None:
        place = tuple_(*columns)
        values = tuple_(*(literal(after[column.name], column.type) for column in columns))
        page = page.where(place > values if ascending else place < values)
    page = page.order_by(*(column if ascending else column.desc() for column in columns))
    rows = await fetch(connection, _ordered(page.limit(limit + 1), columns, ascending=ascending))
    return rows, await count_matches(connection, select(entries.c.id).where(*conditions))


def _order_columns(filter_: TransactionFilter) -> tuple[Column[Any], ...]:
    if filter_.order is not None:
        return entries.c.occurred_at, entries.c.sequence
    # An account is sorted by its sequence, a store by the ids, which are times.
    return (entries.c.id if filter_.account_id is None else entries.c.sequence,)


def _ordered(page: Select[Any], columns: Sequence[Column[Any]], *, ascending: bool) -> Select[Any]:
    """The page with its details, which do not keep its order."""
    detailed = with_details(page)
    selected = [detailed.selected_columns[column.name] for column in columns]
    return detailed.order_by(*(column if ascending else column.desc() for column in selected))


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
    if filter_.occurred_after is not None:
        conditions.append(entries.c.occurred_at >= filter_.occurred_after)
    if filter_.occurred_before is not None:
        conditions.append(entries.c.occurred_at <= filter_.occurred_before)
    if filter_.ids is not None:
        conditions.append(entries.c.id == any_(literal(filter_.ids, ARRAY(Uuid))))
    return conditions
