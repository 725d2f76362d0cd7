"""The lines of orders in PostgreSQL, compressed one order at a time."""

from collections.abc import AsyncIterator
from typing import Final

from libs.messaging.outbox import compress, decompress
from libs.persistence.columns import texts
from libs.persistence.engine import Connection
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_items import OrderItems

# A skipped order that is delivered again replaces its lines, too.
_SAVE: Final = r"""
INSERT INTO order_items (store_id, order_id, items)
SELECT * FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'), $3::bytea[])
ON CONFLICT (store_id, order_id) DO UPDATE SET items = excluded.items
"""
_READ: Final = "SELECT order_id, items FROM order_items WHERE store_id = $1 ORDER BY order_id"


async def save(connection: Connection, batch: LedgerBatch) -> None:
    """Write the lines that the batch keeps, in the order of their keys. Their orders are written before, so
    that a concurrent transaction with one of them waits there."""
    saved = [items for _, items in sorted(batch.changed(OrderItems).items())]
    if saved:
        await connection.execute(
            _SAVE,
            texts(items.store_id for items in saved),
            texts(items.order_id for items in saved),
            [compress(items.items) for items in saved],
        )


async def read_all(connection: Connection, store_id: str) -> AsyncIterator[OrderItems]:
    """The kept lines of a store, by the order's id; in a transaction, which the caller holds."""
    async for row in connection.cursor(_READ, store_id):
        yield OrderItems(store_id, row["order_id"], decompress(row["items"]))
