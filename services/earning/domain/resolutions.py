"""Resolutions of anomalies: awards voided, accounts suspended. docs/rules/anomaly.md."""

from libs.kernel.errors import NotFound
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.books import Books
from services.earning.domain.postings import (
    AwardRecord,
    Duplicate,
    Resolution,
    ResolutionRecord,
    StatusChange,
)


def resolve(books: Books, resolution: Resolution) -> ResolutionRecord | Duplicate:
    """Carry out a resolution, once per anomaly. Raises NotFound for an unknown customer."""
    if resolution.anomaly_id in books.known.resolutions:
        return Duplicate()
    account = books.account(resolution.store_id, resolution.customer_id)
    if not account.exists:
        raise NotFound("There is no such customer in this store.")
    entry = None
    if resolution.action == "voided":
        entry = _void(books, resolution, account)
    else:
        _suspend(books, resolution, account)
    record = ResolutionRecord(
        anomaly_id=resolution.anomaly_id,
        store_id=resolution.store_id,
        account=account,
        action=resolution.action,
        entry=entry,
    )
    books.known.resolutions[record.anomaly_id] = books.resolutions[record.anomaly_id] = record
    return record


def _void(books: Books, resolution: Resolution, account: Account) -> Entry | None:
    """Claw back the remainders of the awards in one entry. Points that a refund or another anomaly
    clawed back already are not clawed back again."""
    awards = [
        award
        for transaction_id in dict.fromkeys(resolution.transaction_ids)
        if (award := books.known.awards.get(transaction_id)) is not None
        and award.account_id == account.id
    ]
    remainder = sum(_remainder(books, award) for award in awards)
    if remainder == 0:
        return None
    entry = books.enter(
        account,
        type_="void",
        points=-remainder,
        lifetime_change=-remainder,
        reason=resolution.reason,
        occurred_at=resolution.occurred_at,
    )
    for award in awards:
        _claw_back(books, award, resolution.anomaly_id)
    return entry


def _remainder(books: Books, award: AwardRecord) -> int:
    """The points of the award that were neither refunded nor voided."""
    if award.order is not None:
        return books.known.orders[award.order].remainder
    return 0 if award.voided else award.points


def _claw_back(books: Books, award: AwardRecord, anomaly_id: str) -> None:
    """Record that the whole remainder of the award is voided."""
    if award.order is not None:
        order = books.known.orders[award.order]
        order.voided_points += order.remainder
        books.orders[award.order] = order
    elif not award.voided:
        award.voided = True
        books.voids.append((award, anomaly_id))


def _suspend(books: Books, resolution: Resolution, account: Account) -> None:
    account.suspended = True
    change = StatusChange(
        store_id=resolution.store_id,
        customer_id=resolution.customer_id,
        suspended=True,
        note=resolution.note,
        changed_by=resolution.resolved_by,
    )
    books.status_changes.append((account, change))
    books.mark_for_write(account)
