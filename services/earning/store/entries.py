"""Entries, as a batch of the ledger inserts them."""

from collections.abc import Sequence
from typing import Final

from libs.kernel.clock import format_time
from libs.persistence.columns import copy
from libs.persistence.engine import Connection
from services.earning.domain.accounts import Entry
from services.earning.domain.batch import LedgerBatch

_COLUMNS: Final = (
    *("account_id", "sequence", "id", "store_id", "type", "points", "balance_after"),
    *("lifetime_after", "program_version_id", "tier", "reason", "occurred_at", "order_id"),
    *("redemption_id", "reward_id", "reward_name"),
)
_INSERT_MANUAL: Final = """
INSERT INTO manual_entries (account_id, sequence, posted_by)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])
"""


async def insert(connection: Connection, entries: Sequence[Entry]) -> None:
    """Insert the entries of a batch, whose accounts have their ids by now."""
    if entries:
        await copy(connection, "entries", _COLUMNS, map(_row, entries))


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.account.id,
        entry.sequence,
        entry.id,
        entry.account.store_id,
        entry.type,
        entry.points,
        entry.balance_after,
        entry.lifetime_after,
        None if entry.program is None else entry.program.version_id,
        None if entry.tier is None else entry.tier.name,
        entry.reason,
        format_time(entry.occurred_at),
        entry.order_id,
        entry.redemption_id,
        None if entry.reward is None else entry.reward.id,
        None if entry.reward is None else entry.reward.name,
    )


async def save_manual(connection: Connection, batch: LedgerBatch) -> None:
    """Record who posted the manual entries of the batch."""
    entries = [entry for entry in batch.entries if entry.posted_by is not None]
    if entries:
        await connection.execute(
            _INSERT_MANUAL,
            [entry.account.id for entry in entries],
            [entry.sequence for entry in entries],
            [entry.posted_by for entry in entries],
        )
