"""Resolutions of anomalies and the awards they void, as a batch of the ledger reads and writes them.

If a concurrent transaction wrote one of the keys first, too few rows are written.
"""

from collections.abc import Sequence
from typing import Final

from libs.kernel.ids import parse_id
from libs.persistence.engine import Connection
from libs.persistence.errors import check_rows
from services.earning.domain.accounts import transaction_id
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_records import OrderRecord
from services.earning.domain.resolutions import AwardRecord, Resolution, ResolutionRecord

_READ: Final = """
SELECT anomaly_id, store_id, account_id, action FROM resolutions WHERE anomaly_id = ANY($1::text[])
"""
_READ_AWARDS: Final = """
SELECT e.id, e.account_id, e.sequence, e.points, e.store_id, e.order_id, e.lots, v.anomaly_id
FROM unnest($1::text[], $2::uuid[]) AS named (store_id, id)
JOIN entries e ON e.store_id = named.store_id AND e.id = named.id AND e.type IN ('earn', 'pend')
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


async def load(
    connection: Connection, batch: LedgerBatch, resolutions: Sequence[Resolution]
) -> None:
    """Read the recorded resolutions of the anomalies, and the awards that they name; require the orders
    of these awards."""
    if not resolutions:
        return
    by_id = {account.id: account for account in batch.accounts.values()}
    anomaly_ids = [resolution.anomaly_id for resolution in resolutions]
    batch.add_loaded(
        ResolutionRecord(
            anomaly_id=row["anomaly_id"],
            store_id=row["store_id"],
            account=by_id[row["account_id"]],
            action=row["action"],
        )
        for row in await connection.fetch(_READ, anomaly_ids)
    )
    awards = await _read_awards(
        connection,
        [(named.store_id, id_) for named in resolutions for id_ in named.transaction_ids],
    )
    batch.add_loaded(awards)
    batch.required[OrderRecord] |= {award.order for award in awards if award.order is not None}


async def _read_awards(
    connection: Connection, transactions: Sequence[tuple[str, str]]
) -> list[AwardRecord]:
    """The awards among the `transactions`, each a store id and a transaction id; transactions of
    other types and unknown ones are left out."""
    parsed = [(store_id, parse_id("txn", text)) for store_id, text in transactions]
    named = [(store_id, entry_id) for store_id, entry_id in parsed if entry_id is not None]
    if not named:
        return []
    rows = await connection.fetch(_READ_AWARDS, *map(list, zip(*named, strict=True)))
    return [
        AwardRecord(
            transaction_id=transaction_id(row["id"]),
            account_id=row["account_id"],
            sequence=row["sequence"],
            points=row["points"],
            order=None if row["order_id"] is None else (row["store_id"], row["order_id"]),
            voided_by=row["anomaly_id"],
            lots=row["lots"],
        )
        for row in rows
    ]


async def save(connection: Connection, batch: LedgerBatch) -> None:
    """Insert the resolutions, and the manual awards that they voided. Raises ConcurrentWrite."""
    resolutions: dict[str, ResolutionRecord] = batch.changed(ResolutionRecord)
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
    check_rows(status, len(records))
    awards: list[AwardRecord] = list(batch.changed(AwardRecord).values())
    awards.sort(key=lambda award: (award.account_id, award.sequence))
    status = await connection.execute(
        _INSERT_VOIDED_AWARDS,
        [award.account_id for award in awards],
        [award.sequence for award in awards],
        [award.voided_by for award in awards],
    )
    check_rows(status, len(awards))
