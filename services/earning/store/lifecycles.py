"""What time changes of accounts, as a batch of the ledger reads and writes it.

In stores in which nothing expires or waits this reads nothing. It runs once everything else is read, since what is
recorded about orders decides what is needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from libs.persistence.engine import Connection
from services.earning.domain import cycles, entry_lots
from services.earning.domain.account_cycles import AccountCycle
from services.earning.domain.adjustments import Adjustment
from services.earning.domain.awards import Award
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_records import Order, OrderKey, OrderRecord, Recheck
from services.earning.domain.pending_awards import PendingAward
from services.earning.domain.postings import Posting
from services.earning.domain.refunds import Refund, WaitingRefunds
from services.earning.domain.resolutions import Resolution
from services.earning.store import fulfillments, pending_awards, timelines

# The lots of an award are those of the entry with which it became available.
_READ_AWARD_NOTES: Final = """
SELECT o.store_id, o.order_id, e.sequence, e.lots
FROM unnest($1::text[], $2::text[]) AS keys (store_id, order_id)
JOIN orders o USING (store_id, order_id)
LEFT JOIN pending_awards p USING (store_id, order_id)
JOIN entries e ON e.account_id = o.account_id
    AND e.sequence = coalesce(p.earn_sequence, o.entry_sequence)
"""
# By the partial index `entries_expired`.
_READ_EXPIRED: Final = """
SELECT e.account_id, e.type, e.lots
FROM unnest($1::bigint[]) AS ids (account_id)
JOIN entries e USING (account_id)
WHERE e.lots IS NOT NULL AND e.type IN ('expire', 'refund', 'void')
"""

# Days of any zone begin within a day of those of UTC.
_ZONES: Final = 1

ByCommand = Mapping[type, Sequence[Any]]


async def load(connection: Connection, batch: LedgerBatch, by_command: ByCommand) -> None:
    """Read the timelines of the batch's stores, the cycles of its accounts, and what is due on them."""
    stores = _find_stores(batch, by_command)
    if not stores:
        return
    batch.timelines = await timelines.read(
        connection, stores, {store_id: batch.programs(store_id) for store_id in stores}
    )
    for account in batch.accounts.values():
        if account.cycle is not None:
            timeline = batch.timelines[account.store_id]
            batch.cycles[account.id] = AccountCycle(cycles.decode(account.cycle), timeline)
    keys = [key for key in batch.required[OrderRecord] if key[0] in stores]
    _add_awards(batch, await pending_awards.read(connection, keys))
    await _load_due(connection, batch)
    await _load_clawbacks(connection, batch, by_command, keys)
    await _load_fulfillments(connection, batch, by_command)


def _find_stores(batch: LedgerBatch, by_command: ByCommand) -> set[str]:
    """The stores in which points may expire or wait: by a setting, or by a date of their own."""
    stores = {account.store_id for account in batch.accounts.values() if account.cycle is not None}
    stores |= batch.stores_with_lifecycle
    own: Iterable[Award | Adjustment] = (*by_command[Award], *by_command[Adjustment])
    return stores | {posting.store_id for posting in own if posting.last_day is not None}


def _add_awards(batch: LedgerBatch, awards: Iterable[PendingAward]) -> None:
    for award in awards:
        state = batch.cycles.get(award.account_id)
        # An account of another store may have an order with such an id.
        if state is not None:
            state.awards.setdefault(award.key, award)


async def _load_due(connection: Connection, batch: LedgerBatch) -> None:
    """Read the awards whose wait may be over."""
    due = {id_: state for id_, state in batch.cycles.items() if state.may_have_due_awards}
    if due:
        until = max(state.today for state in due.values()) + _ZONES
        awards = await pending_awards.read_due(connection, list(due), until=until)
        _add_awards(batch, awards)


async def _load_clawbacks(
    connection: Connection, batch: LedgerBatch, by_command: ByCommand, keys: Sequence[OrderKey]
) -> None:
    """Read what clawbacks need: the dates of the awards, and what has expired and was not covered."""
    if keys:
        stores, orders = map(list, zip(*keys, strict=True))
        for row in await connection.fetch(_READ_AWARD_NOTES, stores, orders):
            batch.award_notes[row["store_id"], row["order_id"]] = row["lots"], row["sequence"]
    postings: Iterable[Posting] = (*by_command[Refund], *by_command[Resolution])
    ids = {batch.account(posting.store_id, posting.customer_id).id for posting in postings}
    for waiting in batch.records(WaitingRefunds):
        ids |= {refund.account_id for refund in waiting.refunds}
    await _load_expired(connection, batch, [id_ for id_ in ids if id_ in batch.cycles])


async def _load_expired(
    connection: Connection, batch: LedgerBatch, account_ids: Sequence[int]
) -> None:
    if not account_ids:
        return
    notes: dict[int, tuple[list[entry_lots.EntryLots], list[entry_lots.EntryLots]]] = {}
    for row in await connection.fetch(_READ_EXPIRED, account_ids):
        of_account = notes.setdefault(row["account_id"], ([], []))
        of_account[row["type"] != "expire"].append(entry_lots.decode(row["lots"]))
    for id_, (expirations, clawbacks) in notes.items():
        batch.cycles[id_].expired = entry_lots.uncovered(expirations, clawbacks)


async def _load_fulfillments(
    connection: Connection, batch: LedgerBatch, by_command: ByCommand
) -> None:
    """Read the fulfillments that overtook the orders which the batch may post as pending."""
    postings: Iterable[Order | Recheck] = (*by_command[Order], *by_command[Recheck])
    stores = {
        store_id
        for store_id in batch.timelines
        if any(program.pending is not None for program in batch.programs(store_id).all)
    }
    if stores:
        keys = {posting.key for posting in postings} | batch.required[WaitingRefunds]
        records = await fulfillments.read(connection, {key for key in keys if key[0] in stores})
        batch.add_loaded(records)


def encode_cycles(batch: LedgerBatch) -> None:
    """Note on the accounts of the batch which cycles have to be written, and when something is due."""
    if not batch.cycles:
        return
    for account in batch.accounts.values():
        state = batch.cycles.get(account.id)
        if state is None or not (account.changed or state.must_write):
            continue
        encoded = cycles.encode(state.cycle)
        if encoded != account.cycle:
            account.changed = account.cycle_changed = True
            account.cycle = encoded
            account.due_at = state.cycle.due_at(state.epoch)
