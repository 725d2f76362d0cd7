"""Resolutions of anomalies and the awards they void, as a batch of the ledger reads and writes them.

If a concurrent transaction wrote one of the keys first, too few rows are written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from libs.kernel.ids import parse_id
from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite
from services.earning.domain.accounts import Account
from services.earning.domain.postings import AwardRecord, ResolutionRecord

_READ: Final = """
SELECT anomaly_id, store_id, account_id, action FROM resolutions WHERE anomaly_id = ANY($1::text[])
"""
_READ_AWARDS: Final = """
SELECT e.id, e.account_id, e.sequence, e.points, e.store_id, e.order_id, v.anomaly_id
FROM unnest($1::text[], $2::uuid[]) AS named (store_id, id)
JOIN entries e ON e.store_id = named.store_id AND e.id = named.id AND e.type = 'earn'
LEFT JOIN voided_awards v ON v.account_id = e.account_id AND v.sequence = e.sequence
"""
_INSERT: Final = """
INSERT INTO resolutions (anomaly_id, store_id, account_id, action, entry_sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])
ON CONFLICT DO NOTHING
"""
_INSERT_VOIDED_AWARDS: Final = """
INSERT INTO voided_awards (account_id, sequence, anomaly_id)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])
ON CONFLICT DO NOTHING
"""


async def read(
    connection: Connection, anomaly_ids: Iterable[str], accounts: Iterable[Account]
) -> dict[str, ResolutionRecord]:
    """The recorded resolutions of the anomalies; `accounts` are the locked accounts."""
    ids = list(anomaly_ids)
    if not ids:
        return {}
    by_id = {account.id: account for account in accounts}
    return {
        row["anomaly_id"]: ResolutionRecord(
            anomaly_id=row["anomaly_id"],
            store_id=row["store_id"],
            account=by_id[row["account_id"]],
            action=row["action"],
        )
        for row in await connection.fetch(_READ, ids)
    }


async def read_awards(
    connection: Connection, transactions: Sequence[tuple[str, str]]
) -> dict[str, AwardRecord]:
    """The awards among the `transactions`, each a store id and a transaction id; transactions of
    other types and unknown ones are left out."""
    parsed = [(store_id, parse_id("txn", text)) for store_id, text in transactions]
    named = [(store_id, entry_id) for store_id, entry_id in parsed if entry_id is not None]
    if not named:
        return {}
    rows = await connection.fetch(_READ_AWARDS, *map(list, zip(*named, strict=True)))
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
    resolutions: Mapping[str, ResolutionRecord],
    voids: Sequence[tuple[AwardRecord, str]],
) -> None:
    """Insert the resolutions, and the manual awards that they voided; raises ConcurrentWrite."""
    if not resolutions:
        return
    records = [resolutions[key] for key in sorted(resolutions)]
    status = await connection.execute(
        _INSERT,
        [record.anomaly_id for record in records],
        [record.store_id for record in records],
        [record.account.id for record in records],
        [record.action for record in records],
        [None if record.entry is None else record.entry.sequence for record in records],
    )
    if status != f"INSERT 0 {len(records)}":
        raise ConcurrentWrite
    voided = sorted(voids, key=lambda void: (void[0].account_id, void[0].sequence))
    status = await connection.execute(
        _INSERT_VOIDED_AWARDS,
        [award.account_id for award, _ in voided],
        [award.sequence for award, _ in voided],
        [anomaly_id for _, anomaly_id in voided],
    )
    if status != f"INSERT 0 {len(voided)}":
        raise ConcurrentWrite
