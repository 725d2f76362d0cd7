"""The books check in PostgreSQL: the ledger is read in slices, in the order of its primary keys.

A slice is a range of accounts, orders or debits with everything that must agree with them, read from
one snapshot. So a slice costs the same in a large ledger as in a small one.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, Literal

import msgspec
from msgspec import Struct

from libs.persistence.engine import Connection
from services.earning.domain.books_check import Fold, compare
from services.earning.store import cycle_checks

Table = Literal["accounts", "orders", "debits"]

# Bounds the time of one slice, to a fraction of a second, and so the pause after it: the books check is
# spread evenly over the requests and orders next to it. Slices of 2,000 cost a third more in all than
# slices of 20,000. An account is never divided.
_ROWS: Final = 5_000
_LOCK_SPACE: Final = 5
_LAST_ACCOUNT: Final = 2**63 - 1

_ENTRIES: Final = """
SELECT account_id, sequence, id, type, points, balance_after, lifetime_after, order_id, pending, covered
FROM entries WHERE account_id > $1 AND account_id <= $2 ORDER BY account_id, sequence
"""
_ACCOUNTS: Final = """
SELECT a.id, a.balance, a.lifetime, a.sequence,
       coalesce(l.balance_after, 0) AS last_balance, coalesce(l.lifetime_after, 0) AS last_lifetime,
       coalesce(l.sequence, 0) AS last_sequence
FROM accounts a
LEFT JOIN LATERAL (
    SELECT balance_after, lifetime_after, sequence FROM entries
    WHERE account_id = a.id ORDER BY sequence DESC LIMIT 1
) l ON true
WHERE a.id > $1 AND a.id <= $2
  AND (a.balance <> coalesce(l.balance_after, 0) OR a.lifetime <> coalesce(l.lifetime_after, 0)
       OR a.sequence <> coalesce(l.sequence, 0))
"""
# Entries without an account in their store, or with dates or waits that their account does not keep.
_ORPHANS: Final = """
SELECT e.account_id, e.sequence,
       CASE WHEN a.id IS NULL THEN 'there is no such account in its store'
            ELSE 'it has lots or pending points, and its account none' END AS fault
FROM entries e
LEFT JOIN accounts a ON a.id = e.account_id AND a.store_id = e.store_id
WHERE e.account_id > $1 AND e.account_id <= $2
  AND (a.id IS NULL OR a.cycle IS NULL AND (e.lots IS NOT NULL OR e.pending IS NOT NULL))
"""
_UNNAMED: Final = """
SELECT e.account_id, e.sequence, e.order_id FROM entries e
LEFT JOIN orders o ON o.store_id = e.store_id AND o.order_id = e.order_id
    AND o.account_id = e.account_id AND o.entry_sequence = e.sequence
LEFT JOIN pending_awards p ON e.pending < 0 AND p.store_id = e.store_id AND p.order_id = e.order_id
    AND p.account_id = e.account_id AND p.earn_sequence = e.sequence
WHERE e.account_id > $1 AND e.account_id <= $2 AND e.type IN ('earn', 'pend')
  AND e.order_id IS NOT NULL AND o.order_id IS NULL AND p.order_id IS NULL
"""
_UNDEBITED: Final = """
SELECT e.account_id, e.sequence, e.redemption_id FROM entries e
LEFT JOIN debits d ON d.redemption_id = e.redemption_id AND d.account_id = e.account_id
    AND e.sequence IN (d.entry_sequence, d.cancel_sequence)
WHERE e.account_id > $1 AND e.account_id <= $2
  AND e.type IN ('redeem', 'cancel') AND d.redemption_id IS NULL
"""
# The points clawed back by entries, compared with those that the orders and manual awards record. The
# orders are found by the entries that they earned.
_CLAWED_BACK: Final = """
WITH clawed_back AS (
    SELECT account_id, -sum(points - coalesce(covered, 0) + coalesce(pending, 0))
               FILTER (WHERE type = 'refund') AS refunded,
           -sum(points - coalesce(covered, 0) + coalesce(pending, 0))
               FILTER (WHERE type = 'void') AS voided
    FROM entries WHERE account_id > $1 AND account_id <= $2 AND type IN ('refund', 'void')
    GROUP BY account_id
), recorded AS (
    SELECT account_id, sum(refunded) AS refunded, sum(voided) AS voided
    FROM (
        SELECT e.account_id, o.refunded_points AS refunded, o.voided_points AS voided
        FROM entries e JOIN orders o ON o.store_id = e.store_id AND o.order_id = e.order_id
            AND o.account_id = e.account_id AND o.entry_sequence = e.sequence
        WHERE e.account_id > $1 AND e.account_id <= $2 AND e.type IN ('earn', 'pend')
          AND e.order_id IS NOT NULL
          AND (o.refunded_points <> 0 OR o.voided_points <> 0)
        UNION ALL
        SELECT v.account_id, 0, e.points FROM voided_awards v
        LEFT JOIN entries e ON e.account_id = v.account_id AND e.sequence = v.sequence
        WHERE v.account_id > $1 AND v.account_id <= $2
    ) AS parts
    GROUP BY account_id
)
SELECT account_id, coalesce(c.refunded, 0) AS refunded, coalesce(r.refunded, 0) AS recorded_refunded,
       coalesce(c.voided, 0) AS voided, coalesce(r.voided, 0) AS recorded_voided
FROM clawed_back c FULL JOIN recorded r USING (account_id)
WHERE coalesce(c.refunded, 0) <> coalesce(r.refunded, 0)
   OR coalesce(c.voided, 0) <> coalesce(r.voided, 0)
"""
_ORDERS: Final = """
SELECT o.store_id, o.order_id, o.award, coalesce(e.pending, e.points) AS points,
       o.refunded_points + o.voided_points AS clawed_back
FROM orders o LEFT JOIN entries e ON e.account_id = o.account_id AND e.sequence = o.entry_sequence
WHERE (o.store_id, o.order_id) > ($1, $2) AND (o.store_id, o.order_id) <= ($3, $4)
  AND (o.refunded_points + o.voided_points > o.award
       OR o.state = 'counted' AND (
           o.award <> coalesce(e.pending, e.points, 0) OR o.award > 0 AND e.order_id IS DISTINCT FROM o.order_id))
"""
_DEBITS: Final = """
SELECT d.redemption_id, d.state, e.points, c.points AS returned
FROM debits d
LEFT JOIN entries e ON e.account_id = d.account_id AND e.sequence = d.entry_sequence
    AND e.type = 'redeem' AND e.redemption_id = d.redemption_id
LEFT JOIN entries c ON c.account_id = d.account_id AND c.sequence = d.cancel_sequence
    AND c.type = 'cancel' AND c.redemption_id = d.redemption_id
WHERE d.redemption_id > $1 AND d.redemption_id <= $2
  AND ((d.state <> 'refused') <> (e.points IS NOT NULL)
       OR (d.state = 'cancelled') <> (c.points IS NOT NULL) OR c.points <> -e.points)
"""
# The awards that waited: before the release, which is of all that was left, what waits or was given up is what the
# order still has.
_AWARDS: Final = """
SELECT p.order_id, p.store_id, p.points, p.given_up, e.points AS released, e.pending
FROM pending_awards p
LEFT JOIN orders o ON o.store_id = p.store_id AND o.order_id = p.order_id
    AND o.account_id = p.account_id AND o.entry_sequence = p.sequence
LEFT JOIN entries e ON e.account_id = p.account_id AND e.sequence = p.earn_sequence
WHERE (p.store_id, p.order_id) > ($1, $2) AND (p.store_id, p.order_id) <= ($3, $4)
  AND (o.order_id IS NULL OR (p.points > 0) <> (p.wait_on IS NOT NULL)
       OR p.earn_sequence IS NULL AND p.points + p.given_up <> o.award - o.refunded_points - o.voided_points
       OR (p.earn_sequence IS NOT NULL) <> (e.points IS NOT NULL)
       OR e.points <> -e.pending OR e.points IS NOT NULL AND p.points + p.given_up > 0)
"""
# Queries that find only faults, each with the sentence that reports a row.
_CHECKS: Final[dict[Table, tuple[tuple[str, str], ...]]] = {
    "accounts": (
        (
            _ACCOUNTS,
            (
                "account {id}: balance {balance}, lifetime {lifetime}, sequence {sequence}; its last entry "
                "says {last_balance}, {last_lifetime}, {last_sequence}"
            ),
        ),
        (_ORPHANS, "entry {account_id}/{sequence}: {fault}"),
        (_UNNAMED, "entry {account_id}/{sequence}: the order {order_id} does not name it"),
        (
            _UNDEBITED,
            "entry {account_id}/{sequence}: the redemption {redemption_id} does not name it",
        ),
        (
            _CLAWED_BACK,
            (
                "account {account_id}: {refunded} points refunded and {voided} voided; its awards say "
                "{recorded_refunded} and {recorded_voided}"
            ),
        ),
    ),
    "orders": (
        (
            _ORDERS,
            (
                "order {order_id} of {store_id}: award {award}, {clawed_back} of it clawed back; its entry "
                "says {points}"
            ),
        ),
        (
            _AWARDS,
            (
                "pending award of order {order_id} of {store_id}: {points} points wait and {given_up} were "
                "given up; its release says {released} and {pending}"
            ),
        ),
    ),
    "debits": (
        (
            _DEBITS,
            "redemption {redemption_id}: {state}; its entries debited {points} and returned {returned}",
        ),
    ),
}
# The last key of the next slice, for orders and debits with the number of its rows. NULL: the last
# slice of the accounts, which also has the accounts without entries.
_END_OF_ACCOUNTS: Final = """
SELECT CASE WHEN count(*) = $2 THEN max(account_id) END
FROM (
    SELECT account_id FROM entries WHERE account_id > $1 ORDER BY account_id, sequence LIMIT $2
) AS slice
"""
_END_OF_ORDERS: Final = """
SELECT store_id, order_id, count(*) OVER ()
FROM (
    SELECT store_id, order_id FROM orders WHERE (store_id, order_id) > ($1, $2)
    ORDER BY store_id, order_id LIMIT $3
) AS slice
ORDER BY store_id DESC, order_id DESC LIMIT 1
"""
_END_OF_DEBITS: Final = """
SELECT redemption_id, count(*) OVER ()
FROM (
    SELECT redemption_id FROM debits WHERE redemption_id > $1 ORDER BY redemption_id LIMIT $2
) AS slice
ORDER BY redemption_id DESC LIMIT 1
"""
_COUNT: Final = """
SELECT (SELECT count(*) FROM entries) + (SELECT count(*) FROM orders) + (SELECT count(*) FROM debits)
"""


class Place(Struct, frozen=True):
    """Where a slice begins: after the row of `table` with the key `after`."""

    table: Table
    after: tuple[int | str, ...]


class Slice(Struct, frozen=True):
    """The faults found in a slice, the number of its rows, and where the next slice begins, None after
    the last one."""

    faults: list[str]
    rows: int
    next: Place | None


START: Final = Place("accounts", (0,))
_NEXT_TABLE: Final = {
    "accounts": Place("orders", ("", "")),
    "orders": Place("debits", ("",)),
    "debits": None,
}

_READ: Final = "SELECT place, faults, last_faults, proven_at FROM books_check"
_WRITE: Final = """
INSERT INTO books_check (place, faults, last_faults, proven_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (is_only_row) DO UPDATE
SET place = excluded.place, faults = excluded.faults, last_faults = excluded.last_faults,
    proven_at = excluded.proven_at
"""


class Pass(Struct, frozen=True):
    """A pass of the books check: where its next slice begins, None between passes; the faults found in
    it so far; the faults of the last complete pass, and when that ended, None before the first one."""

    place: Place | None = None
    faults: int = 0
    last_faults: int = 0
    proven_at: datetime | None = None


async def count(connection: Connection) -> int:
    """The number of rows of all slices."""
    rows: int = await connection.fetchval(_COUNT)
    return rows


async def try_lock(connection: Connection) -> bool:
    """Take the lock of the books check until the transaction ends, unless another process has it."""
    is_locked: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock($1, 0)", _LOCK_SPACE
    )
    return is_locked


async def read_pass(connection: Connection) -> Pass:
    """The pass in progress, or the last one; an empty one before the first."""
    row = await connection.fetchrow(_READ)
    if row is None:
        return Pass()
    place = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return Pass(place, row["faults"], row["last_faults"], row["proven_at"])


async def write_pass(connection: Connection, pass_: Pass) -> None:
    """Store the state of the pass."""
    place = None if pass_.place is None else msgspec.json.encode(pass_.place).decode()
    await connection.execute(_WRITE, place, pass_.faults, pass_.last_faults, pass_.proven_at)


async def check_all(connection: Connection) -> AsyncIterator[Slice]:
    """Check all slices, in a transaction with one snapshot."""
    place: Place | None = START
    while place is not None:
        slice_ = await check_slice(connection, place)
        yield slice_
        place = slice_.next


async def check_slice(connection: Connection, place: Place) -> Slice:
    """Check the slice that begins at `place`, in a transaction with one snapshot."""
    match place.table:
        case "accounts":
            return await _check_accounts(connection, place)
        case "orders":
            return await _check_keys(connection, place, _END_OF_ORDERS)
        case "debits":
            return await _check_keys(connection, place, _END_OF_DEBITS)


async def _check_accounts(connection: Connection, place: Place) -> Slice:
    (after,) = place.after
    end = await connection.fetchval(_END_OF_ACCOUNTS, after, _ROWS) or _LAST_ACCOUNT
    fold = Fold()
    rows = 0
    faults: list[str] = []
    cursor = await connection.cursor(_ENTRIES, after, end)
    while entries := await cursor.fetch(_ROWS):
        rows += len(entries)
        for entry in entries:
            faults += compare(fold, entry)
    faults += await _find_faults(connection, "accounts", (after, end))
    faults += await cycle_checks.check(connection, int(after), end)
    is_last = end == _LAST_ACCOUNT
    return Slice(faults, rows, _NEXT_TABLE["accounts"] if is_last else Place("accounts", (end,)))


async def _check_keys(connection: Connection, place: Place, end_query: str) -> Slice:
    """Check a slice of a table whose rows are found by the texts of its primary key."""
    row = await connection.fetchrow(end_query, *place.after, _ROWS)
    if row is None:
        return Slice([], 0, _NEXT_TABLE[place.table])
    *end, rows = row
    faults = await _find_faults(connection, place.table, (*place.after, *end))
    is_last = rows < _ROWS
    return Slice(faults, rows, _NEXT_TABLE[place.table] if is_last else Place(place.table, (*end,)))


async def _find_faults(
    connection: Connection, table: Table, bounds: tuple[int | str, ...]
) -> list[str]:
    return [
        sentence.format(**row)
        for query, sentence in _CHECKS[table]
        for row in await connection.fetch(query, *bounds)
    ]
