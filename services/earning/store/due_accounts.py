"""The accounts on which something is due."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from libs.persistence.engine import Connection

# By the partial index `accounts_due`.
_READ: Final = """
SELECT store_id, customer_id, due_at, id FROM accounts
WHERE due_at <= $1 AND (due_at, id) > ($2, $3)
ORDER BY due_at, id LIMIT $4
"""


class DueAccount(Struct, frozen=True):
    """An account on which something may be due at `due_at`."""

    store_id: str
    customer_id: str
    due_at: datetime
    id: int


async def read(
    connection: Connection, *, until: datetime, after: tuple[datetime, int], limit: int
) -> list[DueAccount]:
    """Up to `limit` accounts that are due by `until`, in the order of their instants, from the place `after`
    on."""
    return [DueAccount(*row) for row in await connection.fetch(_READ, until, *after, limit)]
