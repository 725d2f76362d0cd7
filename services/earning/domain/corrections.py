"""What people post by hand: awards, adjustments, and the status of accounts."""

from typing import Final

from libs.kernel.errors import AccountSuspended, InsufficientPoints, NotFound, ProgramInactive
from services.earning.domain import orders
from services.earning.domain.accounts import Entry
from services.earning.domain.books import Books
from services.earning.domain.postings import Adjustment, Award, StatusChange, StatusChanged

# Held orders that one change posts at most, so that no batch grows without bound.
HELD_AT_ONCE: Final = 1_000


def post_award(books: Books, award: Award) -> Entry:
    account = books.account(award.store_id, award.customer_id)
    if books.programs(award.store_id).default is None:
        raise ProgramInactive("The store has no active loyalty program, so nothing can be earned.")
    if account.suspended:
        raise AccountSuspended(f"The account of {award.customer_id} is suspended.")
    return books.enter(
        account,
        type_="earn",
        points=award.points,
        lifetime_change=award.points,
        reason=award.reason,
        occurred_at=award.occurred_at,
    )


def post_adjustment(books: Books, adjustment: Adjustment) -> Entry:
    account = books.account(adjustment.store_id, adjustment.customer_id)
    if adjustment.points < 0:
        if not account.exists:
            raise NotFound("There is no such customer in this store.")
        if account.balance + adjustment.points < 0:
            raise InsufficientPoints(balance=account.balance, required=-adjustment.points)
    return books.enter(
        account,
        type_="adjust",
        points=adjustment.points,
        lifetime_change=0,
        reason=adjustment.reason,
        occurred_at=adjustment.occurred_at,
    )


def change_status(books: Books, change: StatusChange) -> StatusChanged:
    account = books.account(change.store_id, change.customer_id)
    if not account.exists:
        raise NotFound("There is no such customer in this store.")
    more = False
    if account.suspended and not change.suspended:
        held = books.known.held.pop(account.key, [])
        more = len(held) > HELD_AT_ONCE
        for record in held[:HELD_AT_ONCE]:
            orders.post_held(books, record, account)
    changed = account.suspended != change.suspended and not more
    if changed:
        account.suspended = change.suspended
    if changed or change.note is not None:
        books.status_changes.append((account, change))
    books.touch(account)
    return StatusChanged(account, more)
