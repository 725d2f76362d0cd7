"""The days projection: folded from the changes that batches leave, after their commits."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import asyncpg

from libs.persistence.columns import numbers, texts
from libs.persistence.engine import Connection
from services.earning.domain import days
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.days import DayChanges
from services.earning.domain.tiers import TierSpan

# One process folds at a time; the others skip their turn.
_LOCK_SPACE: Final = 3
# Bounds one transaction, and with it how long its locks are held.
_MAX_CHANGES: Final = 2_000

# Points that expire are no activity of their customer.
_READ_ACTIVE: Final = """
SELECT DISTINCT account_id, (occurred_at AT TIME ZONE 'UTC')::date AS day
FROM entries
WHERE account_id = ANY($1::text::bigint[])
  AND occurred_at >= $2::text::date::timestamp AT TIME ZONE 'UTC'
  AND type <> 'expire'
"""
_INSERT_CHANGES: Final = r"""
INSERT INTO day_changes (store_id, day, issued, redeemed, taken_back, expired, account_ids)
SELECT store_id, day, issued, redeemed, taken_back, expired, account_ids::bigint[]
FROM unnest(string_to_array($1, E'\x1f'), $2::text::date[], $3::text::bigint[], $4::text::bigint[],
            $5::text::bigint[], $6::text::bigint[], string_to_array($7, E'\x1f'))
  AS new (store_id, day, issued, redeemed, taken_back, expired, account_ids)
"""
_FOLD: Final = """
WITH taken AS (
    DELETE FROM day_changes WHERE id IN (SELECT id FROM day_changes ORDER BY id LIMIT $1)
    RETURNING *
), newly_active AS (
    INSERT INTO day_customers (store_id, day, account_id)
    SELECT DISTINCT store_id, day, unnest(account_ids) FROM taken
    ON CONFLICT DO NOTHING
    RETURNING store_id, day
), added AS (
    SELECT store_id, day, sum(issued) AS issued, sum(redeemed) AS redeemed,
           sum(taken_back) AS taken_back, sum(expired) AS expired, sum(active) AS active
    FROM (
        SELECT store_id, day, issued, redeemed, taken_back, expired, 0 AS active FROM taken
        UNION ALL
        SELECT store_id, day, 0, 0, 0, 0, 1 FROM newly_active
    ) AS parts
    GROUP BY store_id, day
), folded AS (
    INSERT INTO days (store_id, day, issued, redeemed, taken_back, expired, active_customers)
    SELECT store_id, day, issued, redeemed, taken_back, expired, active FROM added
    ON CONFLICT (store_id, day) DO UPDATE
    SET issued = days.issued + excluded.issued, redeemed = days.redeemed + excluded.redeemed,
        taken_back = days.taken_back + excluded.taken_back,
        expired = days.expired + excluded.expired,
        active_customers = days.active_customers + excluded.active_customers
)
SELECT count(*) FROM taken
"""
_CLEAR: Final = "DELETE FROM day_changes; DELETE FROM day_customers; DELETE FROM days"
_REBUILD: Final = """
WITH daily AS (
    SELECT store_id, (occurred_at AT TIME ZONE 'UTC')::date AS day, type, points, account_id
    FROM entries
), people AS (
    INSERT INTO day_customers (store_id, day, account_id)
    SELECT DISTINCT store_id, day, account_id FROM daily
)
INSERT INTO days (store_id, day, issued, redeemed, taken_back, expired, active_customers)
SELECT store_id, day,
       coalesce(sum(points) FILTER (WHERE type = 'earn'), 0),
       coalesce(-sum(points) FILTER (WHERE type IN ('redeem', 'cancel')), 0),
       coalesce(-sum(points) FILTER (WHERE type IN ('refund', 'void')), 0),
       coalesce(-sum(points) FILTER (WHERE type = 'expire'), 0),
       count(DISTINCT account_id)
FROM daily GROUP BY store_id, day
"""
# `added_later` is what all later days add to the points of all customers.
_READ: Final = """
WITH adjustments AS (
    SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, sum(points)::bigint AS adjusted
    FROM entries
    WHERE store_id = $1 AND type = 'adjust' AND occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1
), added AS (
    SELECT d.*, coalesce(a.adjusted, 0) AS adjusted,
           d.issued - d.redeemed - d.taken_back - d.expired + coalesce(a.adjusted, 0) AS points
    FROM days d LEFT JOIN adjustments a USING (day)
    WHERE d.store_id = $1 AND d.day >= $2
), summed AS (
    SELECT *, (sum(points) OVER (ORDER BY day DESC) - points)::bigint AS added_later FROM added
)
SELECT day, issued, redeemed, taken_back, expired, active_customers, adjusted, added_later
FROM summed WHERE day <= $3 ORDER BY day
"""
_READ_RANGE: Final = "SELECT min(day) AS first, max(day) AS last FROM days WHERE store_id = $1"
# One read of the accounts counts them twice: by tier, and by the day on which they joined.
_COUNT_CUSTOMERS: Final = """
SELECT span, joined_on, count(*) AS customers, sum(balance)::bigint AS points
FROM (
    SELECT width_bucket(lifetime, $2::bigint[]) AS span, balance,
           (member_since AT TIME ZONE 'UTC')::date AS joined_on
    FROM accounts WHERE store_id = $1 AND member_since IS NOT NULL
) AS customers
GROUP BY GROUPING SETS ((span), (joined_on))
"""


async def settle(connection: Connection, batch: LedgerBatch) -> None:
    """Look up on which days the accounts were active that the batch's days are unsure of. The batch's own
    entries must not be written yet; if an account changes meanwhile, the batch starts over."""
    unsure = {id_ for change in batch.days.values() for id_ in change.unsure}
    if not unsure:
        return
    first = min(day for (_, day), change in batch.days.items() if change.unsure)
    rows = await connection.fetch(_READ_ACTIVE, numbers(unsure), str(first))
    active = {(row["account_id"], row["day"]) for row in rows}
    days.settle(batch.days, batch.accounts_to_write.values(), active)


async def add(connection: Connection, changes: DayChanges) -> None:
    """Add what the batch adds to each store's days."""
    if not changes:
        return
    await connection.execute(
        _INSERT_CHANGES,
        texts(store_id for store_id, _ in changes),
        numbers(day for _, day in changes),
        numbers(change.issued for change in changes.values()),
        numbers(change.redeemed for change in changes.values()),
        numbers(change.taken_back for change in changes.values()),
        numbers(change.expired for change in changes.values()),
        texts(numbers(change.account_ids) for change in changes.values()),
    )


async def fold(connection: Connection) -> bool:
    """Fold up to _MAX_CHANGES changes; returns whether there may be more. One transaction, so that
    a crash neither loses a change nor counts it twice."""
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1, 0)", _LOCK_SPACE):
        return False
    folded: int = await connection.fetchval(_FOLD, _MAX_CHANGES)
    return folded == _MAX_CHANGES


async def rebuild(connection: Connection) -> None:
    """Rebuild the projection from the ledger. Postings wait meanwhile: a posting that committed
    during the rebuild would be counted twice or not at all."""
    await connection.execute("LOCK TABLE day_changes IN ACCESS EXCLUSIVE MODE")
    await connection.execute(_CLEAR)
    await connection.execute(_REBUILD)


async def read(
    connection: Connection, store_id: str, *, first: date, last: date
) -> Sequence[asyncpg.Record]:
    """The store's days with postings, `first` and `last` included, each with what all later days, also
    those after `last`, add to the points of all customers."""
    rows: list[asyncpg.Record] = await connection.fetch(_READ, store_id, first, last)
    return rows


async def read_range(connection: Connection, store_id: str) -> tuple[date | None, date | None]:
    """The store's first and last day with postings; None if it has none."""
    (row,) = await connection.fetch(_READ_RANGE, store_id)
    return row["first"], row["last"]


async def count_customers(
    connection: Connection, store_id: str, spans: Sequence[TierSpan]
) -> Sequence[asyncpg.Record]:
    """The number of customers and their points, by the place of their tier in `spans`, which are
    ascending and start at 1; 0 stands for customers without a tier. Other rows, whose `span` is null, have
    the same by the day `joined_on`."""
    lowest = [span.lowest for span in spans]
    rows: list[asyncpg.Record] = await connection.fetch(_COUNT_CUSTOMERS, store_id, lowest)
    return rows
