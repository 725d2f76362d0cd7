"""Queries for recorded orders; each runs in the snapshot of its caller."""

from typing import Any, Final

from libs.persistence.engine import Connection

_FIND: Final = """
SELECT account_id, entry_sequence FROM orders WHERE store_id = $1 AND order_id = $2
"""


async def find(connection: Connection, store_id: str, order_id: str) -> Any:
    """The account of the order and the sequence of the entry that it earned, or None."""
    return await connection.fetchrow(_FIND, store_id, order_id)
