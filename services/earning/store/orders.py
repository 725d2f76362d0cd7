"""Queries for orders; each runs in the snapshot of its caller.

A list of orders merges three sources, each newest first: the orders in the ledger, found by their
entries; the recorded orders that are not in the ledger (held, skipped, worth nothing); and the orders
that only dead letters name. So a posted order needs no index of its own.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select

from libs.kernel.ids import first_id_at, time_of
from libs.persistence.engine import Connection
from libs.persistence.statement import fetch
from services.earning.domain.order_records import OrderState
from services.earning.store.lists import count_matches
from services.earning.tables import entries, orders, pending_awards

_FIND: Final = """
SELECT account_id, entry_sequence FROM orders WHERE store_id = $1 AND order_id = $2
"""
_READ_CUSTOMERS: Final = """
SELECT o.order_id, a.customer_id FROM orders o JOIN accounts a ON a.id = o.account_id
WHERE o.store_id = $1 AND o.order_id = ANY($2)
"""
_READ: Final = """
SELECT o.order_id, o.account_id, a.customer_id, o.state, o.skip_reason, o.program_id AS named_program,
       o.reason, o.total, o.currency,
       o.award, coalesce(p.points, 0) AS pending, p.given_up, o.refunded,
       o.refunded_points + o.voided_points AS clawed_back, o.occurred_at,
       coalesce(o.recorded_at, o.occurred_at) AS recorded_at, e.id AS entry_id,
       coalesce(r.id, e.id) AS transaction_id, e.tier, v.program_id,
       v.tiers::text AS tiers,
       p.days, p.wait_on, p.release_at, p.awaits_fulfillment,
       coalesce(r.type, e.type) AS entry_type, coalesce(r.sequence, e.sequence) AS award_sequence,
       coalesce(r.lots, e.lots) AS award_lots, coalesce(r.available_at, e.available_at) AS available_at,
       a.balance, a.sequence, a.suspended, a.cycle
FROM orders o
JOIN accounts a ON a.id = o.account_id
LEFT JOIN entries e ON e.account_id = o.account_id AND e.sequence = o.entry_sequence
LEFT JOIN pending_awards p ON p.store_id = o.store_id AND p.order_id = o.order_id
LEFT JOIN entries r ON r.account_id = p.account_id AND r.sequence = p.earn_sequence
LEFT JOIN program_versions v ON v.id = e.program_version_id
WHERE o.store_id = $1 AND o.order_id = ANY($2)
"""
_RECORDED_AT: Final = func.coalesce(orders.c.recorded_at, orders.c.occurred_at)


class OrderFilter(Struct, frozen=True, kw_only=True):
    """Which recorded orders of a store, or of one of its accounts."""

    store_id: str
    account_id: int | None = None
    state: OrderState | None = None
    is_pending: bool = False


class Position(Struct, frozen=True, order=True):
    """An order's place in the list, which descends. In the same millisecond, orders in the ledger have
    the highest rank and are ordered by `tie`, their entry's id; others are ordered by their own id."""

    recorded_at: datetime
    rank: int
    tie: str

    @property
    def entry_id(self) -> UUID | None:
        return UUID(self.tie) if self.rank == POSTED else None


REFUSED: Final = 0
NOT_POSTED: Final = 1
POSTED: Final = 2


class Place(Struct, frozen=True):
    """An order of a page, and its position."""

    order_id: str
    position: Position


async def find(connection: Connection, store_id: str, order_id: str) -> Any:
    """The account of the order and the sequence of the entry that it earned, or None."""
    return await connection.fetchrow(_FIND, store_id, order_id)


async def read_customers(
    connection: Connection, store_id: str, order_ids: Sequence[str]
) -> dict[str, str]:
    """The customer of each of these orders that is recorded."""
    rows = await connection.fetch(_READ_CUSTOMERS, store_id, order_ids)
    return {row["order_id"]: row["customer_id"] for row in rows}


async def read(
    connection: Connection, store_id: str, order_ids: Sequence[str]
) -> dict[str, asyncpg.Record]:
    """The recorded orders with these ids, with the entry, the program version and the account of each."""
    rows = await connection.fetch(_READ, store_id, order_ids)
    return {row["order_id"]: row for row in rows}


def position_of(row: Any) -> Position:
    """The position of a recorded order."""
    if row["entry_id"] is not None:
        entry_id = str(row["entry_id"])
        return Position(time_of(entry_id), POSTED, entry_id)
    return Position(row["recorded_at"].astimezone(UTC), NOT_POSTED, row["order_id"])


async def read_posted(
    connection: Connection, filter_: OrderFilter, *, limit: int, after: Position | None
) -> tuple[list[Place], int]:
    """Up to `limit` orders in the ledger that follow `after`, and the number of matches."""
    # An order whose points waited is in the list by its `pend`, and not by the release as well.
    is_earned = and_(entries.c.type == "earn", entries.c.pending.is_(None))
    conditions = [
        entries.c.store_id == filter_.store_id,
        or_(is_earned, entries.c.type == "pend"),
        entries.c.order_id.is_not(None),
    ]
    if filter_.is_pending:
        conditions.append(_waits())
    if filter_.account_id is not None:
        conditions.append(entries.c.account_id == filter_.account_id)
    page = select(entries.c.id, entries.c.order_id).where(*conditions)
    if after is not None:
        page = page.where(entries.c.id < (after.entry_id or first_id_at(after.recorded_at)))
    rows = await fetch(connection, page.order_by(entries.c.id.desc()).limit(limit))
    places = [
        Place(row["order_id"], Position(time_of(entry_id), POSTED, entry_id))
        for row in rows
        for entry_id in [str(row["id"])]
    ]
    return places, await count_matches(connection, select(entries.c.id).where(*conditions))


def _waits() -> ColumnElement[bool]:
    """Whether points of an entry's order wait."""
    return exists().where(
        pending_awards.c.store_id == entries.c.store_id,
        pending_awards.c.order_id == entries.c.order_id,
        pending_awards.c.points > 0,
    )


async def read_not_posted(
    connection: Connection, filter_: OrderFilter, *, limit: int, after: Position | None
) -> tuple[list[Place], int]:
    """The same for recorded orders that are not in the ledger."""
    conditions: list[ColumnElement[bool]] = [
        orders.c.store_id == filter_.store_id,
        orders.c.entry_sequence.is_(None),
    ]
    if filter_.account_id is not None:
        conditions.append(orders.c.account_id == filter_.account_id)
    if filter_.state is not None:
        conditions.append(orders.c.state == filter_.state)
    page = select(orders.c.order_id, _RECORDED_AT.label("recorded_at")).where(*conditions)
    if after is not None:
        page = page.where(*_follows(after))
    page = page.order_by(_RECORDED_AT.desc(), orders.c.order_id.desc()).limit(limit)
    places = [
        Place(
            row["order_id"],
            Position(row["recorded_at"].astimezone(UTC), NOT_POSTED, row["order_id"]),
        )
        for row in await fetch(connection, page)
    ]
    return places, await count_matches(connection, select(literal(1)).where(*conditions))


def _follows(after: Position) -> list[ColumnElement[bool]]:
    """What holds for the orders outside the ledger that follow a position."""
    moment = literal(after.recorded_at, orders.c.occurred_at.type)
    if after.rank == POSTED:
        return [moment >= _RECORDED_AT]
    if after.rank == REFUSED:
        return [moment > _RECORDED_AT]
    return [moment >= _RECORDED_AT, (moment > _RECORDED_AT) | (orders.c.order_id < after.tie)]
