"""What is done about an anomaly that people have judged. docs/rules/anomaly.md."""

from libs.kernel.errors import NotFound
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.books import Books
from services.earning.domain.postings import (
    AwardRecord,
    Repeated,
    Resolution,
    Resolved,
    StatusChange,
)


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
    awards = [
        award
        for transaction_id in dict.fromkeys(posting.transaction_ids)
        if (award := books.known.awards.get(transaction_id)) is not None
        and award.account_id == account.id
    ]
    left = sum(_left(books, award) for award in awards)
    if left == 0:
        return None
    entry = books.enter(
        account,
        type_="void",
        points=-left,
        lifetime_change=-left,
        reason=posting.reason,
        occurred_at=posting.occurred_at,
    )
    for award in awards:
        _take_back(books, award, posting.anomaly_id)
    return entry


def _left(books: Books, award: AwardRecord) -> int:
    """The points of the award that nobody has taken back yet."""
    if award.order is not None:
        return books.known.orders[award.order].remainder
    return 0 if award.voided else award.points


def _take_back(books: Books, award: AwardRecord, anomaly_id: str) -> None:
    """Nothing is left of the award from now on."""
    if award.order is not None:
        order = books.known.orders[award.order]
        order.voided_points += order.remainder
        books.orders[award.order] = order
    elif not award.voided:
        award.voided = True
        books.voids.append((award, anomaly_id))


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
