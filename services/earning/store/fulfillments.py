"""Fulfillments that wait for their orders, as a batch of the ledger reads and writes them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC
from typing import Final

import asyncpg

from libs.persistence.engine import Connection
from libs.persistence.errors import check_rows
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.fulfillments import Fulfillment, FulfillmentRecord
from services.earning.domain.order_records import OrderKey, OrderRecord
from services.earning.store.keys import LookUp

_READ: Final = LookUp(
    select="SELECT store_id, order_id, account_id, fulfilled_at",
    table="fulfillments",
    key=("store_id", "order_id"),
)
_INSERT: Final = """
INSERT INTO fulfillments (store_id, order_id, account_id, fulfilled_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[])
ON CONFLICT DO NOTHING
"""


async def load(connection: Connection, batch: LedgerBatch, postings: Sequence[Fulfillment]) -> None:
    """Read the recorded fulfillments of the orders, and require the orders."""
    if not postings:
        return
    keys = {posting.key for posting in postings}
    batch.required[OrderRecord] |= keys
    batch.add_loaded(await read(connection, keys))


async def read(connection: Connection, keys: Collection[OrderKey]) -> Iterable[FulfillmentRecord]:
    """The fulfillments that wait for the orders `keys`; their accounts are locked or read already."""
    return map(_fulfillment, await _READ.fetch(connection, keys))


def _fulfillment(row: asyncpg.Record) -> FulfillmentRecord:
    return FulfillmentRecord(
        store_id=row["store_id"],
        order_id=row["order_id"],
        account_id=row["account_id"],
        fulfilled_at=row["fulfilled_at"].astimezone(UTC),
    )


async def save(connection: Connection, batch: LedgerBatch) -> None:
    """Insert new fulfillments. Raises ConcurrentWrite."""
    fulfillments: dict[OrderKey, FulfillmentRecord] = batch.changed(FulfillmentRecord)
    if not fulfillments:
        return
    records = [fulfillments[key] for key in sorted(fulfillments)]
    status = await connection.execute(
        _INSERT,
        [record.store_id for record in records],
        [record.order_id for record in records],
        [record.account_id for record in records],
        [record.fulfilled_at for record in records],
    )
    check_rows(status, len(records))
