"""Manual entries, as a batch of the ledger records who posted them."""

from typing import Final

from libs.persistence.engine import Connection
from services.earning.domain.accounts import ManualEntry
from services.earning.domain.batch import LedgerBatch

_INSERT: Final = """
INSERT INTO manual_entries (account_id, sequence, posted_by)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])
"""


async def save(connection: Connection, batch: LedgerBatch) -> None:
    """Record who posted the manual entries of the batch."""
    entries: list[ManualEntry] = list(batch.changed(ManualEntry).values())
    if entries:
        await connection.execute(
            _INSERT,
            [manual.entry.account_id for manual in entries],
            [manual.entry.sequence for manual in entries],
            [manual.posted_by for manual in entries],
        )
