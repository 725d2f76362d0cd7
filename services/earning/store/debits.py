"""Debits of redemptions, and resolved anomalies, as the ledger's batches read and write them.

Their accounts are locked by then, so that none of them can change meanwhile; one of a customer who
does not exist is guarded by its key alone. A key that a rival wrote shows as a row too few.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Final

import asyncpg

from libs.contracts.events import RewardRef
from libs.kernel.ids import parse_id
from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.postings import AwardRecord, DebitRecord, Resolved

_READ_DEBITS: Final = """
SELECT d.redemption_id, d.store_id, d.account_id, d.state, e.id, e.sequence, e.points,
       e.balance_after, e.lifetime_after, e.reason, e.occurred_at, e.reward_id, e.reward_name
FROM debits d
LEFT JOIN entries e ON e.account_id = d.account_id AND e.sequence = d.entry_sequence
WHERE d.redemption_id = ANY($1::text[])
"""
_RECORD_DEBITS: Final = """
INSERT INTO debits AS d (redemption_id, store_id, account_id, state, entry_sequence, cancel_sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])
ON CONFLICT (redemption_id) DO UPDATE
SET state = excluded.state, cancel_sequence = excluded.cancel_sequence
WHERE d.state = 'debited' AND excluded.state = 'cancelled'
"""
_READ_RESOLUTIONS: Final = """
SELECT anomaly_id, store_id, account_id, action FROM resolutions WHERE anomaly_id = ANY($1::text[])
"""
_READ_AWARDS: Final = """
SELECT e.id, e.account_id, e.sequence, e.points, e.store_id, e.order_id, v.anomaly_id
FROM unnest($1::text[], $2::uuid[]) AS asked (store_id, id)
JOIN entries e ON e.store_id = asked.store_id AND e.id = asked.id AND e.type = 'earn'
LEFT JOIN voided_awards v ON v.account_id = e.account_id AND v.sequence = e.sequence
"""
_INSERT_RESOLUTIONS: Final = """
INSERT INTO resolutions (anomaly_id, store_id, account_id, action, entry_sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])
ON CONFLICT DO NOTHING
"""
_INSERT_VOIDED_AWARDS: Final = """
INSERT INTO voided_awards (account_id, sequence, anomaly_id)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])
ON CONFLICT DO NOTHING
"""


async def read_debits(
    connection: Connection, redemption_ids: Iterable[str], accounts: Iterable[Account]
) -> dict[str, DebitRecord]:
    """What is recorded of the redemptions, `accounts` being those locked."""
    asked = list(redemption_ids)
    if not asked:
        return {}
    by_id = {account.id: account for account in accounts}
    return {
        row["redemption_id"]: _debit(row, by_id.get(row["account_id"]))
        for row in await connection.fetch(_READ_DEBITS, asked)
    }


def _debit(row: asyncpg.Record, account: Account | None) -> DebitRecord:
    entry = None
    if row["id"] is not None and account is not None:
        entry = Entry(
            account=account,
            id=str(row["id"]),
            sequence=row["sequence"],
            type="redeem",
            points=row["points"],
            balance_after=row["balance_after"],
            lifetime_after=row["lifetime_after"],
            reason=row["reason"],
            occurred_at=row["occurred_at"].astimezone(UTC),
            redemption_id=row["redemption_id"],
            reward=RewardRef(row["reward_id"], row["reward_name"]),
        )
    return DebitRecord(
        store_id=row["store_id"],
        redemption_id=row["redemption_id"],
        account=account,
        state=row["state"],
        entry=entry,
    )


async def record_debits(connection: Connection, debits: Mapping[str, DebitRecord]) -> None:
    """Write new debits and those cancelled since; raises ConcurrentWrite."""
    if not debits:
        return
    records = [debits[key] for key in sorted(debits)]
    status = await connection.execute(
        _RECORD_DEBITS,
        [record.redemption_id for record in records],
        [record.store_id for record in records],
        [None if record.account is None else record.account.id for record in records],
        [record.state for record in records],
        [_sequence(record.entry) for record in records],
        [_sequence(record.cancelled_by) for record in records],
    )
    if status != f"INSERT 0 {len(records)}":
        raise ConcurrentWrite


async def read_resolutions(
    connection: Connection, anomaly_ids: Iterable[str], accounts: Iterable[Account]
) -> dict[str, Resolved]:
    """The resolutions carried out already."""
    asked = list(anomaly_ids)
    if not asked:
        return {}
    by_id = {account.id: account for account in accounts}
    return {
        row["anomaly_id"]: Resolved(
            anomaly_id=row["anomaly_id"],
            store_id=row["store_id"],
            account=by_id[row["account_id"]],
            action=row["action"],
        )
        for row in await connection.fetch(_READ_RESOLUTIONS, asked)
    }


async def read_awards(
    connection: Connection, asked: Sequence[tuple[str, str]]
) -> dict[str, AwardRecord]:
    """The awards of the `(store_id, transaction_id)`s; what is none is left out."""
    ids = [(store_id, parse_id("txn", text)) for store_id, text in asked]
    found = [(store_id, entry_id) for store_id, entry_id in ids if entry_id is not None]
    if not found:
        return {}
    rows = await connection.fetch(_READ_AWARDS, *map(list, zip(*found, strict=True)))
    return {
        f"txn_{row['id']}": AwardRecord(
            account_id=row["account_id"],
            sequence=row["sequence"],
            points=row["points"],
            order=None if row["order_id"] is None else (row["store_id"], row["order_id"]),
            voided=row["anomaly_id"] is not None,
        )
        for row in rows
    }


async def record_resolutions(
    connection: Connection,
    resolutions: Mapping[str, Resolved],
    voids: Sequence[tuple[AwardRecord, str]],
) -> None:
    """Write what was done about anomalies, and which awards by hand it took back; raises ConcurrentWrite."""
    if not resolutions:
        return
    done = [resolutions[key] for key in sorted(resolutions)]
    status = await connection.execute(
        _INSERT_RESOLUTIONS,
        [one.anomaly_id for one in done],
        [one.store_id for one in done],
        [one.account.id for one in done],
        [one.action for one in done],
        [_sequence(one.entry) for one in done],
    )
    if status != f"INSERT 0 {len(done)}":
        raise ConcurrentWrite
    taken = sorted(voids, key=lambda void: (void[0].account_id, void[0].sequence))
    status = await connection.execute(
        _INSERT_VOIDED_AWARDS,
        [award.account_id for award, _ in taken],
        [award.sequence for award, _ in taken],
        [anomaly_id for _, anomaly_id in taken],
    )
    if status != f"INSERT 0 {len(taken)}":
        raise ConcurrentWrite


def _sequence(entry: Entry | None) -> int | None:
    return None if entry is None else entry.sequence
