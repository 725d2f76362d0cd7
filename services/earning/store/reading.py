"""The queries that callers read the ledger with."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.kernel.ids import first_id_at
from services.earning.tables import accounts, entries

# A count beyond this tells nobody more, and would cost a scan of the store's whole history.
COUNT_LIMIT: Final = 10_000

RECENT_TRANSACTIONS: Final = 10

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


async def account(connection: AsyncConnection, store_id: str, customer_id: str) -> Any:
    """The customer's account, or None."""
    asked = select(accounts).where(
        accounts.c.store_id == store_id, accounts.c.customer_id == customer_id
    )
    return (await connection.execute(asked)).one_or_none()


async def recent(connection: AsyncConnection, account_id: int) -> Sequence[Any]:
    """The account's newest entries, newest first."""
    asked = (
        select(entries.c.id, entries.c.type, entries.c.points, entries.c.reason)
        .where(entries.c.account_id == account_id)
        .order_by(entries.c.sequence.desc())
        .limit(RECENT_TRANSACTIONS)
    )
    return (await connection.execute(asked)).all()


async def transaction(connection: AsyncConnection, store_id: str, entry_id: UUID) -> Any:
    """One entry of the store, or None."""
    asked = _transactions([entries.c.store_id == store_id, entries.c.id == entry_id])
    return (await connection.execute(asked)).one_or_none()


async def transactions(
    connection: AsyncConnection,
    wanted: TransactionFilter,
    *,
    limit: int,
    after: Any,
) -> tuple[Sequence[Any], int]:
    """Up to `limit` + 1 entries older than `after`, newest first, and how many match in all
    (at most COUNT_LIMIT + 1)."""
    conditions = _conditions(wanted)
    # An account's own order is its sequence; a store's is that of the ids, which are times.
    order = entries.c.id if wanted.account_id is None else entries.c.sequence
    page = _transactions(conditions).order_by(order.desc()).limit(limit + 1)
    if after is not None:
        page = page.where(order < getattr(after, order.name))
    rows = (await connection.execute(page)).all()
    matching = select(entries.c.id).where(*conditions).limit(COUNT_LIMIT + 1)
    total = await connection.scalar(select(func.count()).select_from(matching.subquery()))
    return rows, total or 0


def _transactions(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    return (
        select(*_SHOWN)
        .join_from(entries, accounts, accounts.c.id == entries.c.account_id)
        .where(*conditions)
    )


def _conditions(wanted: TransactionFilter) -> list[ColumnElement[bool]]:
    conditions = [entries.c.store_id == wanted.store_id]
    if wanted.account_id is not None:
        conditions.append(entries.c.account_id == wanted.account_id)
    if wanted.type is not None:
        conditions.append(entries.c.type == wanted.type)
    if wanted.created_after is not None:
        conditions.append(entries.c.id >= first_id_at(wanted.created_after))
    if wanted.created_before is not None:
        after_it = wanted.created_before + timedelta(milliseconds=1)
        conditions.append(entries.c.id < first_id_at(after_it))
    return conditions
