"""The fold: applies postings to the books in order, each by the rule of its kind."""

from collections.abc import Callable
from typing import Any, Final

from services.earning.domain import (
    account_status,
    adjustments,
    awards,
    debits,
    orders,
    refunds,
    resolutions,
)
from services.earning.domain.books import Books
from services.earning.domain.postings import (
    Adjustment,
    Award,
    Cancellation,
    Debit,
    Order,
    Outcome,
    Posting,
    Recheck,
    Refund,
    Resolution,
    Settlement,
    StatusChange,
)

_RULES: Final[dict[type, Callable[[Books, Any], Outcome]]] = {
    Order: orders.post_order,
    Recheck: orders.recheck_order,
    Refund: refunds.post_refund,
    Award: awards.post_award,
    Adjustment: adjustments.post_adjustment,
    StatusChange: account_status.change_status,
    Debit: debits.debit,
    Settlement: debits.settle,
    Cancellation: debits.cancel,
    Resolution: resolutions.resolve,
}


def post(books: Books, posting: Posting) -> Outcome:
    """Apply `posting` and return its outcome. Raises a WhaleError if a rule refuses it; then no
    balance has changed."""
    return _RULES[type(posting)](books, posting)
