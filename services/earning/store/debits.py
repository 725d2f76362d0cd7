"""Debits of redemptions, as a batch of the ledger reads and writes them.

The batch has locked the debits' accounts, so none of them can change meanwhile. The debit of a
customer who does not exist is guarded by its key alone: if a concurrent transaction wrote the key,
too few rows are written.
"""

from collections.abc import Sequence
from datetime import UTC
from typing import Final

import asyncpg

from libs.persistence.engine import Connection
from libs.persistence.errors import check_rows
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.debits import Cancellation, Debit, DebitRecord, Settlement

_READ: Final = """
SELECT d.redemption_id, d.store_id, d.account_id, d.state, e.id, e.sequence, e.points,
       e.balance_after, e.lifetime_after, e.reason, e.occurred_at, e.reward_id, e.reward_name, e.lots
FROM debits d
LEFT JOIN entries e ON e.account_id = d.account_id AND e.sequence = d.entry_sequence
WHERE d.redemption_id = ANY($1::text[])
"""
_FIND: Final = """
SELECT d.redemption_id, e.id, e.balance_after
FROM debits d
JOIN entries e ON e.account_id = d.account_id AND e.sequence = d.entry_sequence
WHERE d.redemption_id = ANY($1::text[]) AND d.store_id = $2
"""
_WRITE: Final = """
INSERT INTO debits AS d (redemption_id, store_id, account_id, state, entry_sequence, cancel_sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])
ON CONFLICT (redemption_id) DO UPDATE
SET state = excluded.state, cancel_sequence = excluded.cancel_sequence
WHERE d.state = 'debited' AND excluded.state = 'cancelled'
"""


async def load(
    connection: Connection,
    batch: LedgerBatch,
    postings: Sequence[Debit | Settlement | Cancellation],
) -> None:
    """Read the recorded debits of the redemptions."""
    if not postings:
        return
    by_id = {account.id: account for account in batch.accounts.values()}
    rows = await connection.fetch(_READ, list({posting.redemption_id for posting in postings}))
    batch.add_loaded(_debit(row, by_id.get(row["account_id"])) for row in rows)


async def find(
    connection: Connection, store_id: str, redemption_ids: Sequence[str]
) -> list[asyncpg.Record]:
    """The redemption, entry and balance of each debit of the store among the redemptions."""
    rows: list[asyncpg.Record] = await connection.fetch(_FIND, redemption_ids, store_id)
    return rows


def _debit(row: asyncpg.Record, account: Account | None) -> DebitRecord:
    entry = None
    if row["id"] is not None and account is not None:
        entry = Entry(
            account_id=account.id,
            store_id=row["store_id"],
            id=str(row["id"]),
            sequence=row["sequence"],
            type="redeem",
            points=row["points"],
            balance_after=row["balance_after"],
            lifetime_after=row["lifetime_after"],
            reason=row["reason"],
            occurred_at=row["occurred_at"].astimezone(UTC),
            redemption_id=row["redemption_id"],
            reward_id=row["reward_id"],
            reward_name=row["reward_name"],
            lots=row["lots"],
        )
    return DebitRecord(
        store_id=row["store_id"],
        redemption_id=row["redemption_id"],
        account=account,
        state=row["state"],
        entry=entry,
    )


async def save(connection: Connection, batch: LedgerBatch) -> None:
    """Insert new debits and mark cancelled ones. Raises ConcurrentWrite."""
    debits: dict[str, DebitRecord] = batch.changed(DebitRecord)
    if not debits:
        return
    records = [debits[key] for key in sorted(debits)]
    status = await connection.execute(
        _WRITE,
        [record.redemption_id for record in records],
        [record.store_id for record in records],
        [None if record.account is None else record.account.id for record in records],
        [record.state for record in records],
        [_sequence(record.entry) for record in records],
        [_sequence(record.cancel_entry) for record in records],
    )
    check_rows(status, len(records))


def _sequence(entry: Entry | None) -> int | None:
    return None if entry is None else entry.sequence
