"""Changes of an account's status, and the held orders that a reactivation posts."""

from collections.abc import Sequence
from typing import Final

from libs.kernel.clock import utc_now
from libs.persistence.engine import Connection
from services.earning.domain.account_status import (
    MAX_HELD_ORDERS,
    HeldOrders,
    StatusChange,
    StatusChangeRecord,
)
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.refunds import WaitingRefunds
from services.earning.store import order_records

_INSERT: Final = """
INSERT INTO status_changes (account_id, status, note, changed_by, changed_at, sequence)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[])
"""


async def load(connection: Connection, batch: LedgerBatch, changes: Sequence[StatusChange]) -> None:
    """Read the held orders of the accounts that become active."""
    accounts = {
        account.id: account
        for change in changes
        if not change.suspended
        and (account := batch.accounts.get((change.store_id, change.customer_id))) is not None
    }
    records = await order_records.read_held(
        connection, accounts.values(), limit=MAX_HELD_ORDERS + 1
    )
    held = {id_: HeldOrders(account.key, []) for id_, account in accounts.items()}
    for record in records:
        held[record.account_id].orders.append(record)
    batch.add_loaded(records)
    batch.add_loaded(held.values())
    batch.required[WaitingRefunds] |= {record.key for record in records}


async def save(connection: Connection, batch: LedgerBatch) -> None:
    """Insert the changes."""
    records: list[StatusChangeRecord] = list(batch.changed(StatusChangeRecord).values())
    if records:
        now = utc_now()
        await connection.execute(
            _INSERT,
            [record.account.id for record in records],
            ["suspended" if record.change.suspended else "active" for record in records],
            [record.change.note for record in records],
            [record.change.changed_by for record in records],
            [batch.time_of(record.account.store_id, now) for record in records],
            [record.sequence for record in records],
        )
