"""Adjustments: manual corrections of a balance, up or down."""

from libs.kernel.errors import InsufficientPoints, NotFound
from services.earning.domain.accounts import Entry
from services.earning.domain.books import Books
from services.earning.domain.postings import Adjustment


def post_adjustment(books: Books, adjustment: Adjustment) -> Entry:
    """Change the balance and leave the lifetime, also without an active program and for a suspended
    account. Raises NotFound, InsufficientPoints or Conflict."""
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
        posted_by=adjustment.posted_by,
    )
