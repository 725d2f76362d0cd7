"""Recorded refunds, as a batch of the ledger reads and writes them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import asyncpg

from libs.kernel.clock import format_time, utc_now
from libs.persistence.columns import numbers, texts
from libs.persistence.engine import Connection
from libs.persistence.errors import check_rows
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_records import OrderKey, OrderRecord
from services.earning.domain.refunds import Refund, RefundKey, RefundRecord, WaitingRefunds
from services.earning.store import arrivals
from services.earning.store.keys import LookUp

_READ: Final = r"""
SELECT r.store_id, r.order_id, r.refund_id, r.account_id, r.amount, r.state, r.occurred_at, r.points
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f'))
  AS keys (store_id, order_id, refund_id)
JOIN refunds r USING (store_id, order_id, refund_id)
"""
_READ_WAITING: Final = LookUp(
    select="""
SELECT store_id, order_id, refund_id, account_id, amount, state, occurred_at, points
""",
    table="refunds",
    key=("store_id", "order_id"),
    condition="state = 'waiting'",
    order="ORDER BY arrival",
)
# Only a waiting refund changes: it counts, or it contradicts its order.
_WRITE: Final = r"""
INSERT INTO refunds AS r (store_id, order_id, refund_id, account_id, amount, state, detail, points,
                          entry_sequence, occurred_at, arrival, recorded_at)
SELECT * FROM unnest(
    string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f'),
    $4::text::bigint[], $5::text::numeric[], string_to_array($6, E'\x1f'),
    string_to_array($7, E'\x1f', E'\x1e'), $8::text::bigint[], $9::text::bigint[],
    $10::text::timestamptz[], $11::text::bigint[], $12::text::timestamptz[])
ON CONFLICT (store_id, order_id, refund_id) DO UPDATE
SET state = excluded.state, detail = excluded.detail, points = excluded.points,
    entry_sequence = excluded.entry_sequence
WHERE r.state = 'waiting' AND excluded.state <> 'waiting'
"""


async def load(connection: Connection, batch: LedgerBatch, refunds: Sequence[Refund]) -> None:
    """Read the recorded refunds, and require the orders of the new ones."""
    if not refunds:
        return
    batch.required[OrderRecord] |= {(refund.store_id, refund.order_id) for refund in refunds}
    keys = {refund.key for refund in refunds}
    rows = await connection.fetch(_READ, *(texts(key[part] for key in keys) for part in range(3)))
    batch.add_loaded(_refund(row) for row in rows)


async def read_waiting(
    connection: Connection, keys: Collection[OrderKey]
) -> Iterable[WaitingRefunds]:
    """The refunds that wait for the orders `keys`; their accounts are locked or read already."""
    refunds: dict[OrderKey, WaitingRefunds] = {}
    for row in await _READ_WAITING.fetch(connection, keys):
        key = row["store_id"], row["order_id"]
        refunds.setdefault(key, WaitingRefunds(key, [])).refunds.append(_refund(row))
    return refunds.values()


def _refund(row: asyncpg.Record) -> RefundRecord:
    return RefundRecord(
        store_id=row["store_id"],
        order_id=row["order_id"],
        refund_id=row["refund_id"],
        account_id=row["account_id"],
        amount=row["amount"],
        state=row["state"],
        occurred_at=row["occurred_at"],
        points=row["points"],
    )


async def save(connection: Connection, batch: LedgerBatch) -> None:
    """Insert new refunds, and update those that no longer wait. Raises ConcurrentWrite."""
    refunds: dict[RefundKey, RefundRecord] = batch.changed(RefundRecord)
    if not refunds:
        return
    arrival_of = await arrivals.draw(connection, list(refunds))
    now = utc_now()
    keys = sorted(refunds)
    records = [refunds[key] for key in keys]
    status = await connection.execute(
        _WRITE,
        texts(record.store_id for record in records),
        texts(record.order_id for record in records),
        texts(record.refund_id for record in records),
        numbers(record.account_id for record in records),
        numbers(record.amount for record in records),
        texts(record.state for record in records),
        texts(record.detail for record in records),
        numbers(record.points for record in records),
        numbers(record.entry_sequence for record in records),
        numbers(format_time(record.occurred_at) for record in records),
        numbers(arrival_of[key] for key in keys),
        numbers(format_time(batch.time_of(record.store_id, now)) for record in records),
    )
    check_rows(status, len(records))
