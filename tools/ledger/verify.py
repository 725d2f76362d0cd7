"""Verification of the whole ledger, by a fold that is independent of the service's own.

Every entry must follow from the entry before it, every account from its last entry, every order and
refund from the entry that it names. A fault is reported with its row.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from msgspec import Struct

_ROWS: Final = 20_000
_CHANGES_LIFETIME: Final = frozenset({"earn", "refund", "void"})

_ENTRIES: Final = """
SELECT account_id, sequence, id, type, points, balance_after, lifetime_after, order_id
FROM entries ORDER BY account_id, sequence
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
WHERE a.balance <> coalesce(l.balance_after, 0) OR a.lifetime <> coalesce(l.lifetime_after, 0)
   OR a.sequence <> coalesce(l.sequence, 0)
"""
_ORDERS: Final = """
SELECT o.store_id, o.order_id, o.award, e.points
FROM orders o LEFT JOIN entries e ON e.account_id = o.account_id AND e.sequence = o.entry_sequence
WHERE o.state = 'counted' AND (
    o.award <> coalesce(e.points, 0) OR o.award > 0 AND e.order_id IS DISTINCT FROM o.order_id)
"""
_ORPHANS: Final = """
SELECT e.account_id, e.sequence FROM entries e
LEFT JOIN accounts a ON a.id = e.account_id AND a.store_id = e.store_id WHERE a.id IS NULL
"""
_UNNAMED: Final = """
SELECT e.account_id, e.sequence, e.order_id FROM entries e
LEFT JOIN orders o ON o.store_id = e.store_id AND o.order_id = e.order_id
    AND o.account_id = e.account_id AND o.entry_sequence = e.sequence
WHERE e.type = 'earn' AND e.order_id IS NOT NULL AND o.order_id IS NULL
"""
_DEBITS: Final = """
SELECT d.redemption_id, d.state, e.points, c.points AS returned
FROM debits d
LEFT JOIN entries e ON e.account_id = d.account_id AND e.sequence = d.entry_sequence
    AND e.type = 'redeem' AND e.redemption_id = d.redemption_id
LEFT JOIN entries c ON c.account_id = d.account_id AND c.sequence = d.cancel_sequence
    AND c.type = 'cancel' AND c.redemption_id = d.redemption_id
WHERE (d.state <> 'refused') <> (e.points IS NOT NULL)
   OR (d.state = 'cancelled') <> (c.points IS NOT NULL) OR c.points <> -e.points
"""
_UNDEBITED: Final = """
SELECT e.account_id, e.sequence, e.redemption_id FROM entries e
LEFT JOIN debits d ON d.redemption_id = e.redemption_id AND d.account_id = e.account_id
    AND e.sequence IN (d.entry_sequence, d.cancel_sequence)
WHERE e.type IN ('redeem', 'cancel') AND d.redemption_id IS NULL
"""
# The points clawed back by entries, compared with those that the orders and manual awards record.
_CLAWED_BACK: Final = """
WITH clawed_back AS (
    SELECT account_id, -sum(points) FILTER (WHERE type = 'refund') AS refunded,
           -sum(points) FILTER (WHERE type = 'void') AS voided
    FROM entries WHERE type IN ('refund', 'void') GROUP BY account_id
), recorded AS (
    SELECT account_id, sum(refunded) AS refunded, sum(voided) AS voided
    FROM (
        SELECT account_id, refunded_points AS refunded, voided_points AS voided FROM orders
        WHERE refunded_points <> 0 OR voided_points <> 0
        UNION ALL
        SELECT v.account_id, 0, e.points FROM voided_awards v
        LEFT JOIN entries e ON e.account_id = v.account_id AND e.sequence = v.sequence
    ) AS parts
    GROUP BY account_id
)
SELECT account_id, coalesce(c.refunded, 0) AS refunded, coalesce(r.refunded, 0) AS recorded_refunded,
       coalesce(c.voided, 0) AS voided, coalesce(r.voided, 0) AS recorded_voided
FROM clawed_back c FULL JOIN recorded r USING (account_id)
WHERE coalesce(c.refunded, 0) <> coalesce(r.refunded, 0)
   OR coalesce(c.voided, 0) <> coalesce(r.voided, 0)
"""
# Queries that find only faults, each with the sentence that reports a row.
_CHECKS: Final = (
    (
        _ACCOUNTS,
        (
            "account {id}: balance {balance}, lifetime {lifetime}, sequence {sequence}; its last entry "
            "says {last_balance}, {last_lifetime}, {last_sequence}"
        ),
    ),
    (_ORDERS, "order {order_id} of {store_id}: award {award}; its entry says {points}"),
    (_ORPHANS, "entry {account_id}/{sequence}: there is no such account in its store"),
    (_UNNAMED, "entry {account_id}/{sequence}: the order {order_id} does not name it"),
    (
        _DEBITS,
        "redemption {redemption_id}: {state}; its entries debited {points} and returned {returned}",
    ),
    (_UNDEBITED, "entry {account_id}/{sequence}: the redemption {redemption_id} does not name it"),
    (
        _CLAWED_BACK,
        (
            "account {account_id}: {refunded} points refunded and {voided} voided; its awards say "
            "{recorded_refunded} and {recorded_voided}"
        ),
    ),
)


class _Fold(Struct):
    """An account after the entries read so far."""

    account_id: int = 0
    sequence: int = 0
    balance: int = 0
    lifetime: int = 0


async def count(connection: Any) -> int:
    """The number of entries."""
    entries: int = await connection.fetchval("SELECT count(*) FROM entries")
    return entries


async def faults(connection: Any, advance: Callable[[int], None]) -> AsyncIterator[str]:
    """A sentence for each inconsistent row, all from one snapshot; `advance` gets the number of
    entries read."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        fold = _Fold()
        cursor = await connection.cursor(_ENTRIES)
        while rows := await cursor.fetch(_ROWS):
            for row in rows:
                for fault in _compare(fold, row):
                    yield fault
            advance(len(rows))
        for query, sentence in _CHECKS:
            async for row in connection.cursor(query):
                yield sentence.format(**row)


def _compare(fold: _Fold, row: Any) -> list[str]:
    """The faults of an entry, given the entries before it. The fold continues from the entry's own
    values, so that one fault is reported once."""
    if row["account_id"] != fold.account_id:
        fold.account_id, fold.sequence, fold.balance, fold.lifetime = row["account_id"], 0, 0, 0
    place = f"entry {row['account_id']}/{row['sequence']} (txn_{row['id']})"
    entry_faults = []
    if row["sequence"] != fold.sequence + 1:
        entry_faults.append(f"{place}: the entry before it has sequence {fold.sequence}")
    if row["balance_after"] != fold.balance + row["points"]:
        entry_faults.append(
            f"{place}: {fold.balance} and {row['points']} are {fold.balance + row['points']}, not "
            f"balance_after {row['balance_after']}"
        )
    change = row["points"] if row["type"] in _CHANGES_LIFETIME else 0
    lifetime = max(fold.lifetime + change, 0)
    if row["lifetime_after"] != lifetime:
        entry_faults.append(f"{place}: lifetime_after is {row['lifetime_after']}, not {lifetime}")
    fold.sequence = row["sequence"]
    fold.balance = row["balance_after"]
    fold.lifetime = row["lifetime_after"]
    return entry_faults
