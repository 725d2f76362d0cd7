"""Queries for refunds; each runs in the snapshot of its caller.

A refund's `arrival` is unique and ascends, so it sorts the list and is the cursor: the shop's id of a
refund is unique only within its order.
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, literal, select

from libs.persistence.engine import Connection
from libs.persistence.statement import fetch
from services.earning.store.lists import count_matches
from services.earning.tables import accounts, entries, refunds

# Rows from before have no `recorded_at`.
_COLUMNS: Final = (
    refunds.c.arrival,
    refunds.c.refund_id,
    refunds.c.order_id,
    accounts.c.customer_id,
    refunds.c.state,
    refunds.c.detail,
    refunds.c.amount,
    refunds.c.points,
    refunds.c.occurred_at,
    func.coalesce(refunds.c.recorded_at, refunds.c.occurred_at).label("recorded_at"),
    entries.c.id.label("entry_id"),
)


class RefundFilter(Struct, frozen=True, kw_only=True):
    """Which refunds of a store, or of one of its customers or orders. A customer whose order has not
    arrived yet does not exist, but may have refunds that wait."""

    store_id: str
    customer_id: str | None = None
    order_id: str | None = None
    state: str | None = None


async def find(connection: Connection, store_id: str, arrival: int) -> Any:
    """The store's refund with that arrival, or None."""
    rows = await fetch(
        connection, _select([refunds.c.store_id == store_id, refunds.c.arrival == arrival])
    )
    return rows[0] if rows else None


async def read_page(
    connection: Connection, filter_: RefundFilter, *, limit: int, before: int | None
) -> tuple[Sequence[asyncpg.Record], int]:
    """Up to `limit` + 1 refunds that arrived before `before`, newest first, and the number of matches."""
    conditions: list[ColumnElement[bool]] = [refunds.c.store_id == filter_.store_id]
    if filter_.customer_id is not None:
        account = select(accounts.c.id).where(
            accounts.c.store_id == filter_.store_id, accounts.c.customer_id == filter_.customer_id
        )
        conditions.append(refunds.c.account_id == account.scalar_subquery())
    if filter_.order_id is not None:
        conditions.append(refunds.c.order_id == filter_.order_id)
    if filter_.state is not None:
        conditions.append(refunds.c.state == filter_.state)
    page = _select(conditions).order_by(refunds.c.arrival.desc()).limit(limit + 1)
    if before is not None:
        page = page.where(refunds.c.arrival < before)
    matches = select(literal(1)).select_from(refunds).where(*conditions)
    return await fetch(connection, page), await count_matches(connection, matches)


def _select(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    is_entry = (entries.c.account_id == refunds.c.account_id) & (
        entries.c.sequence == refunds.c.entry_sequence
    )
    return (
        select(*_COLUMNS)
        .join_from(refunds, accounts, accounts.c.id == refunds.c.account_id)
        .outerjoin(entries, is_entry)
        .where(*conditions)
    )
