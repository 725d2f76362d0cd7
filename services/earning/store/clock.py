"""The clock of the ledger: the time at which a store's postings happen."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from libs.persistence.engine import Connection

# Truncated like the times of program versions, so that a posting is never before the version it follows.
_NOW: Final = "SELECT date_trunc('milliseconds', clock_timestamp())"


async def read_now(connection: Connection, store_ids: Iterable[str]) -> dict[str, datetime]:
    """The present time of each store, in UTC. Read it after the locks on what it decides about."""
    now: datetime = await connection.fetchval(_NOW)
    return dict.fromkeys(store_ids, now.astimezone(UTC))
