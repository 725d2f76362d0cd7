"""Resolutions of anomalies: awards voided, accounts suspended. docs/rules/anomaly.md."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from libs.kernel.errors import NotFound
from services.earning.domain import due, entry_lots
from services.earning.domain.account_status import StatusChange, StatusChangeRecord
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.clawbacks import AwardShare, claw_back, remainder
from services.earning.domain.cycles import Mark
from services.earning.domain.order_records import OrderKey, OrderRecord
from services.earning.domain.postings import Duplicate, Posting


class Resolution(Posting, frozen=True, kw_only=True, gc=False):
    """A reviewer's decision on an anomaly, carried out once: `voided` claws back the remainders of the
    awards `transaction_ids`, `suspended` suspends the account. `reason` is the reason of a void's
    entry."""

    anomaly_id: str
    action: Literal["voided", "suspended"]
    transaction_ids: tuple[str, ...]
    reason: str
    note: str | None
    resolved_by: str
    occurred_at: datetime


class AwardRecord(Struct, kw_only=True, gc=False):
    """An award that an anomaly names, under its transaction id. What was clawed back from the award of an
    order is recorded with the `order`; `voided_by` is the anomaly that voided a manual award."""

    transaction_id: str
    account_id: int
    sequence: int
    points: int
    order: OrderKey | None = None
    voided_by: str | None = None
    lots: str | None = None

    @property
    def key(self) -> str:
        return self.transaction_id

    @property
    def mark(self) -> Mark:
        """The date of a manual award."""
        note = None if self.lots is None else entry_lots.decode(self.lots)
        return entry_lots.mark(note, self.sequence)


class ResolutionRecord(Struct, frozen=True, kw_only=True):
    """A resolution that was carried out; without an entry if nothing remained to claw back."""

    anomaly_id: str
    store_id: str
    account: Account
    action: Literal["voided", "suspended"]
    entry: Entry | None = None

    @property
    def key(self) -> str:
        return self.anomaly_id


def resolve(batch: LedgerBatch, resolution: Resolution) -> ResolutionRecord | Duplicate:
    """Carry out a resolution, once per anomaly. Raises NotFound for an unknown customer."""
    if batch.get(ResolutionRecord, resolution.anomaly_id) is not None:
        return Duplicate()
    account = batch.account(resolution.store_id, resolution.customer_id)
    if not account.exists:
        raise NotFound("There is no such customer in this store.")
    entry = None
    if resolution.action == "voided":
        entry = _void(batch, resolution, account)
    else:
        _suspend(batch, resolution, account)
    record = ResolutionRecord(
        anomaly_id=resolution.anomaly_id,
        store_id=resolution.store_id,
        account=account,
        action=resolution.action,
        entry=entry,
    )
    batch.put(record)
    return record


def _void(batch: LedgerBatch, resolution: Resolution, account: Account) -> Entry | None:
    """Claw back the remainders of the awards in one entry. Points that a refund or another anomaly
    clawed back already are not clawed back again."""
    awards = [
        award
        for transaction_id in dict.fromkeys(resolution.transaction_ids)
        if (award := batch.get(AwardRecord, transaction_id)) is not None
        and award.account_id == account.id
    ]
    shares = _shares(batch, awards)
    if not shares:
        return None
    clawback = claw_back(batch, account, shares)
    entry = batch.enter(
        account,
        type_="void",
        points=-clawback.available,
        lifetime_change=-clawback.available,
        reason=resolution.reason,
        occurred_at=batch.time_of(resolution.store_id, resolution.occurred_at),
        change=clawback.change,
    )
    for award in awards:
        _record_void(batch, award, resolution.anomaly_id)
    return entry


def _shares(batch: LedgerBatch, awards: list[AwardRecord]) -> list[AwardShare]:
    """What is left of each award, in the order of posting. An order whose award waited has two entries."""
    shares = {}
    for award in sorted(awards, key=lambda award: award.sequence):
        if award.order is not None:
            order = _order(batch, award.order)
            shares[award.order] = AwardShare(remainder(batch, order), order)
        elif award.voided_by is None:
            shares[award.transaction_id, ""] = AwardShare(award.points, mark=award.mark)
    return [share for share in shares.values() if share.points]


def _record_void(batch: LedgerBatch, award: AwardRecord, anomaly_id: str) -> None:
    """Record that the whole remainder of the award is voided."""
    if award.order is not None:
        order = _order(batch, award.order)
        order.voided_points += remainder(batch, order)
        batch.put(order)
    elif award.voided_by is None:
        award.voided_by = anomaly_id
        batch.put(award)


def _order(batch: LedgerBatch, key: OrderKey) -> OrderRecord:
    order = batch.get(OrderRecord, key)
    assert order is not None
    return order


def _suspend(batch: LedgerBatch, resolution: Resolution, account: Account) -> None:
    account.suspended = True
    due.suspend(batch, account)
    change = StatusChange(
        store_id=resolution.store_id,
        customer_id=resolution.customer_id,
        suspended=True,
        note=resolution.note,
        changed_by=resolution.resolved_by,
    )
    batch.append(StatusChangeRecord(account, change, account.sequence))
    batch.mark_for_write(account)
