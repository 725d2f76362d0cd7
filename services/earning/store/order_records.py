"""Recorded orders, as a batch of the ledger reads and writes them.

If a concurrent transaction wrote one of the keys first, a key exists already or too few rows are written.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import asyncpg
from msgspec.structs import astuple

from libs.kernel.clock import utc_now
from libs.persistence.columns import columns
from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite, check_rows
from libs.persistence.rows import copy
from services.earning.domain.accounts import Account
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_records import Order, OrderKey, OrderRecord, Recheck
from services.earning.domain.refunds import WaitingRefunds
from services.earning.store import arrivals, order_items, refund_records
from services.earning.store.keys import LookUp

_READ: Final = LookUp(
    select="""
SELECT store_id, order_id, account_id, total, currency, program_id, state, skip_reason, reason,
       occurred_at, award, refunded, refunded_points, voided_points
""",
    table="orders",
    key=("store_id", "order_id"),
)
_READ_HELD: Final = """
SELECT o.store_id, o.order_id, o.account_id, o.total, o.currency, o.program_id, o.state, o.skip_reason,
       o.reason, o.occurred_at, o.award, o.refunded, o.refunded_points, o.voided_points
FROM unnest($1::bigint[]) AS account_ids (id)
CROSS JOIN LATERAL (
    SELECT * FROM orders WHERE account_id = account_ids.id AND state = 'held'
    ORDER BY arrival LIMIT $2
) AS o
ORDER BY o.account_id, o.arrival
"""
# The changes that a batch may make under the account's lock: replace a skipped order, post or skip a
# held order, refund or void a counted one. In any other case a concurrent transaction came first.
_CHANGE: Final = r"""
INSERT INTO orders AS o (store_id, order_id, account_id, total, currency, program_id, state,
                         reason, occurred_at, skip_reason, award, entry_sequence, refunded,
                         refunded_points, voided_points, arrival, recorded_at)
SELECT * FROM unnest(
    string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'),
    string_to_array($3, E'\x1f')::bigint[], string_to_array($4, E'\x1f')::numeric[],
    string_to_array($5, E'\x1f'), string_to_array($6, E'\x1f', E'\x1e'),
    string_to_array($7, E'\x1f'), string_to_array($8, E'\x1f'),
    string_to_array($9, E'\x1f')::timestamptz[], string_to_array($10, E'\x1f', E'\x1e'),
    string_to_array($11, E'\x1f')::bigint[], string_to_array($12, E'\x1f', E'\x1e')::bigint[],
    string_to_array($13, E'\x1f')::numeric[], string_to_array($14, E'\x1f')::bigint[],
    string_to_array($15, E'\x1f')::bigint[], string_to_array($16, E'\x1f', E'\x1e')::bigint[],
    string_to_array($17, E'\x1f', E'\x1e')::timestamptz[])
ON CONFLICT (store_id, order_id) DO UPDATE
SET account_id = excluded.account_id, total = excluded.total, currency = excluded.currency,
    program_id = excluded.program_id, state = excluded.state, skip_reason = excluded.skip_reason,
    reason = excluded.reason, occurred_at = excluded.occurred_at, award = excluded.award,
    entry_sequence = coalesce(excluded.entry_sequence, o.entry_sequence),
    refunded = excluded.refunded, refunded_points = excluded.refunded_points,
    voided_points = excluded.voided_points, arrival = excluded.arrival,
    recorded_at = CASE WHEN o.state = 'counted' THEN o.recorded_at ELSE excluded.recorded_at END
WHERE o.state = 'skipped'
   OR o.account_id = excluded.account_id AND (o.state, excluded.state) IN
      (('held', 'counted'), ('held', 'skipped'))
   OR o.account_id = excluded.account_id AND (o.state, excluded.state) = ('counted', 'counted')
      AND excluded.entry_sequence IS NULL
"""


async def load(
    connection: Connection, batch: LedgerBatch, postings: Sequence[Order | Recheck]
) -> None:
    """Read the recorded orders that the batch requires, and the refunds that wait for the orders that
    it posts. Their accounts are locked or read already: an order that changes later changes its account
    too, and the batch starts over."""
    keys = {posting.key for posting in postings}
    rows = await _READ.fetch(connection, keys | batch.required[OrderRecord])
    batch.add_loaded(map(_order, rows))
    batch.add_loaded(
        await refund_records.read_waiting(connection, keys | batch.required[WaitingRefunds])
    )


async def read_held(
    connection: Connection, accounts: Iterable[Account], *, limit: int
) -> list[OrderRecord]:
    """Up to `limit` held orders of each account, in the order of arrival."""
    ids = [account.id for account in accounts]
    if not ids:
        return []
    return [_order(row) for row in await connection.fetch(_READ_HELD, ids, limit)]


def _order(row: asyncpg.Record) -> OrderRecord:
    return OrderRecord(
        store_id=row["store_id"],
        order_id=row["order_id"],
        account_id=row["account_id"],
        total=row["total"],
        currency=row["currency"],
        program_id=row["program_id"],
        state=row["state"],
        reason=row["reason"],
        occurred_at=row["occurred_at"],
        skip_reason=row["skip_reason"],
        award=row["award"],
        refunded=row["refunded"],
        refunded_points=row["refunded_points"],
        voided_points=row["voided_points"],
    )


async def save(connection: Connection, batch: LedgerBatch) -> None:
    """Insert new orders and update changed ones, each in the order of their keys. New orders come
    first: a transaction that waits for another's new order then holds no changed order that the
    other could wait for. Their lines follow."""
    orders: dict[OrderKey, OrderRecord] = batch.changed(OrderRecord)
    await _complete(connection, batch, orders)
    new: list[OrderRecord] = []
    changed: list[OrderRecord] = []
    for key in sorted(orders):
        record = orders[key]
        (changed if batch.is_loaded(record) else new).append(record)
    try:
        await copy(connection, "orders", new)
    except asyncpg.UniqueViolationError as error:
        raise ConcurrentWrite from error
    if changed:
        status = await connection.execute(_CHANGE, *columns(map(astuple, changed)))
        check_rows(status, len(changed))
    await order_items.save(connection, batch)


async def _complete(
    connection: Connection, batch: LedgerBatch, orders: dict[OrderKey, OrderRecord]
) -> None:
    """Number the held orders in the order of arrival. An order that earned points was recorded when
    its entry was posted; any other is recorded now."""
    not_posted = [record for record in orders.values() if record.entry_sequence is None]
    held = [record.key for record in not_posted if record.state == "held"]
    arrival_of = await arrivals.draw(connection, held)
    now = utc_now()
    for record in not_posted:
        record.arrival = arrival_of.get(record.key)
        record.recorded_at = batch.time_of(record.store_id, now)
