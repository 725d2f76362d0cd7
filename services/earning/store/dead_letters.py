"""Dead letters in PostgreSQL: a projection of the dead-letter topics of shop events, and queries of it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import ColumnElement, exists, select

from libs.contracts.topics import ORDER_COMPLETED
from libs.persistence.engine import Connection
from libs.persistence.statement import fetch
from services.earning.domain.dead_letters import HandledLetter, Letter
from services.earning.store.lists import count_matches
from services.earning.tables import dead_letters, dead_letters_handled

# A store cannot fill the database with letters: of more, the oldest are deleted. The metric
# whale_dead_letters_total counts all.
MAX_PER_STORE: Final = 10_000
_DAYS: Final = 30
# An order that is sent wrongly again and again has many letters; the newest say what is wrong.
_MAX_PER_ORDER: Final = 10

_INSERT: Final = """
INSERT INTO dead_letters (id, place, store_id, topic, code, detail, service, customer_id, order_id,
                          truncated, dead_at, headers, value, key, raw_headers)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                     $8::text[], $9::text[], $10::boolean[], $11::timestamptz[], $12::bytea[], $13::bytea[],
                     $14::bytea[], $15::bytea[])
ON CONFLICT (id) DO NOTHING
"""
_DELETE_SURPLUS: Final = """
DELETE FROM dead_letters WHERE id IN (
    SELECT surplus.id FROM unnest($1::text[]) AS stores (store_id)
    CROSS JOIN LATERAL (
        SELECT d.id FROM dead_letters d WHERE d.store_id = stores.store_id
        ORDER BY d.dead_at DESC, d.id DESC OFFSET $2
    ) AS surplus)
"""
_MARK_HANDLED: Final = """
INSERT INTO dead_letters_handled (id, outcome, handled_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS handled (id) ORDER BY handled.id
ON CONFLICT (id) DO NOTHING
RETURNING id
"""
_READ: Final = """
SELECT d.id, d.place, d.topic, d.code, d.detail, d.service, d.customer_id, d.order_id, d.truncated,
       d.dead_at, d.raw_headers IS NOT NULL AS is_whole, h.id IS NOT NULL AS is_handled, h.outcome,
       h.handled_at
FROM dead_letters d LEFT JOIN dead_letters_handled h ON h.id = d.id
WHERE d.store_id = $1 AND d.id = ANY($2)
"""
_READ_RECORDS: Final = """
SELECT place, topic, key, raw_headers, value FROM dead_letters WHERE id = ANY($1)
"""
# A letter may arrive after the mark that it was handled: the two are on different topics.
_PURGE: Final = (
    "DELETE FROM dead_letters WHERE dead_at < now() - make_interval(days => $1)",
    "DELETE FROM dead_letters_handled WHERE handled_at < now() - make_interval(days => $1 + 1)",
)
_OPEN: Final = "NOT EXISTS (SELECT FROM dead_letters_handled h WHERE h.id = d.id)"
_OF_ORDERS: Final = f"""
SELECT d.id, d.place, d.order_id, d.code, d.detail, d.dead_at
FROM unnest($2::text[]) AS orders (order_id)
CROSS JOIN LATERAL (
    SELECT * FROM dead_letters d
    WHERE d.store_id = $1 AND d.order_id = orders.order_id AND {_OPEN}
    ORDER BY d.dead_at DESC, d.id DESC LIMIT $3
) AS d
ORDER BY d.dead_at DESC, d.id DESC
"""  # noqa: S608  constants alone
# A store has at most MAX_PER_STORE letters, so that grouping them takes milliseconds.
_REFUSED: Final = f"""
SELECT d.order_id, max(d.dead_at) AS recorded_at,
       (array_agg(d.customer_id ORDER BY d.dead_at DESC, d.id DESC))[1] AS customer_id
FROM dead_letters d
WHERE d.store_id = $1 AND d.topic = '{ORDER_COMPLETED}' AND d.order_id IS NOT NULL
  AND ($2::text[] IS NULL OR d.order_id = ANY($2)) AND ($3::text IS NULL OR d.customer_id = $3)
  AND {_OPEN}
  AND NOT EXISTS (SELECT FROM orders o WHERE o.store_id = d.store_id AND o.order_id = d.order_id)
GROUP BY d.order_id
ORDER BY recorded_at DESC, d.order_id DESC
"""  # noqa: S608  constants alone


class LetterFilter(Struct, frozen=True, kw_only=True):
    """Which letters of a store; `topic` is that of the record."""

    store_id: str
    topic: str | None = None
    code: str | None = None


class RefusedOrder(Struct, frozen=True):
    """An order that only dead letters name: the time and the customer of the newest."""

    order_id: str
    recorded_at: datetime
    customer_id: str | None


async def insert(connection: Connection, letters: Sequence[Letter]) -> None:
    """Add letters that are not in the table yet. The oldest of a store with too many are deleted."""
    if not letters:
        return
    columns = zip(
        *(
            (
                *(letter.id, letter.place, letter.store_id, letter.topic, letter.code),
                *(letter.detail, letter.service, letter.customer_id, letter.order_id),
                *(letter.truncated, letter.dead_at, letter.headers, letter.value),
                *(letter.key, letter.raw_headers),
            )
            for letter in letters
        ),
        strict=True,
    )
    await connection.execute(_INSERT, *columns)
    stores = sorted({letter.store_id for letter in letters})
    await connection.execute(_DELETE_SURPLUS, stores, MAX_PER_STORE)


async def mark_handled(connection: Connection, letters: Sequence[HandledLetter]) -> frozenset[UUID]:
    """Record that letters were replayed or dropped; they leave every list. Returns the ids of those that
    were not handled before; waits for a concurrent transaction that handles one of them."""
    if not letters:
        return frozenset()
    columns = zip(*((one.id, one.outcome, one.handled_at) for one in letters), strict=True)
    rows = await connection.fetch(_MARK_HANDLED, *columns)
    return frozenset(row["id"] for row in rows)


async def read(
    connection: Connection, store_id: str, ids: Collection[UUID]
) -> dict[UUID, asyncpg.Record]:
    """Those of the letters `ids` that belong to the store, and what became of each."""
    rows = await connection.fetch(_READ, store_id, list(ids))
    return {row["id"]: row for row in rows}


async def read_records(connection: Connection, ids: Collection[UUID]) -> list[asyncpg.Record]:
    """The records of letters that have them whole, with the place of each letter."""
    return await connection.fetch(_READ_RECORDS, list(ids)) if ids else []


async def purge(connection: Connection) -> None:
    """Delete the letters that are older than 30 days."""
    for statement in _PURGE:
        await connection.execute(statement, _DAYS)


async def find(connection: Connection, store_id: str, letter_id: UUID) -> Any:
    """The store's letter with that id, or None."""
    query = select(dead_letters).where(
        dead_letters.c.store_id == store_id, dead_letters.c.id == letter_id, _is_open()
    )
    rows = await fetch(connection, query)
    return rows[0] if rows else None


async def read_page(
    connection: Connection, filter_: LetterFilter, *, limit: int, after: Any
) -> tuple[Sequence[asyncpg.Record], int]:
    """Up to `limit` + 1 letters older than the letter `after`, newest first, and the number of
    matches."""
    conditions: list[ColumnElement[bool]] = [
        dead_letters.c.store_id == filter_.store_id,
        _is_open(),
    ]
    if filter_.topic is not None:
        conditions.append(dead_letters.c.topic == filter_.topic)
    if filter_.code is not None:
        conditions.append(dead_letters.c.code == filter_.code)
    columns = [column for column in dead_letters.c if column.name not in {"headers", "value"}]
    page = select(*columns).where(*conditions)
    if after is not None:
        dead_at, letter_id = after["dead_at"], after["id"]
        page = page.where(
            dead_letters.c.dead_at <= dead_at,
            (dead_letters.c.dead_at < dead_at) | (dead_letters.c.id < letter_id),
        )
    page = page.order_by(dead_letters.c.dead_at.desc(), dead_letters.c.id.desc()).limit(limit + 1)
    matches = select(dead_letters.c.id).where(*conditions)
    return await fetch(connection, page), await count_matches(connection, matches)


async def read_of_orders(
    connection: Connection, store_id: str, order_ids: Sequence[str]
) -> dict[str, list[asyncpg.Record]]:
    """The newest letters of each order, newest first."""
    letters: dict[str, list[asyncpg.Record]] = {}
    for row in await connection.fetch(_OF_ORDERS, store_id, order_ids, _MAX_PER_ORDER):
        letters.setdefault(row["order_id"], []).append(row)
    return letters


async def read_refused(
    connection: Connection,
    store_id: str,
    *,
    order_ids: Sequence[str] | None = None,
    customer_id: str | None = None,
) -> list[RefusedOrder]:
    """The orders that only dead letters name, newest first: all, those with these ids, or those of a
    customer."""
    return [
        RefusedOrder(row["order_id"], row["recorded_at"], row["customer_id"])
        for row in await connection.fetch(_REFUSED, store_id, order_ids, customer_id)
    ]


def _is_open() -> ColumnElement[bool]:
    """Whether the letter was neither replayed nor dropped."""
    return ~exists().where(dead_letters_handled.c.id == dead_letters.c.id)
