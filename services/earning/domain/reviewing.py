"""What is done about an anomaly that people have judged. docs/rules/anomaly.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libs.kernel.errors import NotFound
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.postings import (
    AwardRecord,
    Repeated,
    Resolution,
    Resolved,
    StatusChange,
)

if TYPE_CHECKING:
    from services.earning.domain.books import Books


def resolve(books: Books, posting: Resolution) -> Resolved | Repeated:
    """Carry a resolution out, once per anomaly. Raises NotFound for an unknown customer."""
    if posting.anomaly_id in books.known.resolutions:
        return Repeated()
    account = books.account(posting.store_id, posting.customer_id)
    if not account.exists:
        raise NotFound("There is no such customer in this store.")
    entry = None
    if posting.action == "voided":
        entry = _void(books, posting, account)
    else:
        _suspend(books, posting, account)
    done = Resolved(
        anomaly_id=posting.anomaly_id,
        store_id=posting.store_id,
        account=account,
        action=posting.action,
        entry=entry,
    )
    books.known.resolutions[posting.anomaly_id] = books.resolutions[posting.anomaly_id] = done
    return done


def _void(books: Books, posting: Resolution, account: Account) -> Entry | None:
    """One posting takes back what is left of the awards; what was taken before is not taken again,
    whichever anomaly or refund took it."""
    left = 0
    for transaction_id in dict.fromkeys(posting.transaction_ids):
        award = books.known.awards.get(transaction_id)
        if award is not None and award.account_id == account.id:
            left += _take_back(books, award, posting.anomaly_id)
    if left == 0:
        return None
    return books.enter(
        account,
        type_="void",
        points=-left,
        lifetime_change=-left,
        reason=posting.reason,
        occurred_at=posting.occurred_at,
    )


def _take_back(books: Books, award: AwardRecord, anomaly_id: str) -> int:
    """The points that are left of the award, which are none from now on."""
    if award.order is not None:
        order = books.known.orders[award.order]
        left = order.remainder
        order.voided_points += left
        books.orders[award.order] = order
        return left
    if award.voided:
        return 0
    award.voided = True
    books.voids.append((award, anomaly_id))
    return award.points


def _suspend(books: Books, posting: Resolution, account: Account) -> None:
    account.suspended = True
    change = StatusChange(
        store_id=posting.store_id,
        customer_id=posting.customer_id,
        suspended=True,
        note=posting.note,
        changed_by=posting.resolved_by,
    )
    books.status_changes.append((account, change))
    books.touch(account)
