"""The fold: postings, in order, each by its rule."""

from collections.abc import Callable
from typing import Any, Final

from services.earning.domain import corrections, orders, redeeming, refunds, reviewing
from services.earning.domain.books import Books
from services.earning.domain.postings import (
    Adjustment,
    Award,
    Cancellation,
    Debit,
    Order,
    Outcome,
    Posting,
    Refund,
    Resolution,
    Settlement,
    StatusChange,
)

_RULES: Final[dict[type, Callable[[Books, Any], Outcome]]] = {
    Order: orders.post_order,
    Refund: refunds.post_refund,
    Award: corrections.post_award,
    Adjustment: corrections.post_adjustment,
    StatusChange: corrections.change_status,
    Debit: redeeming.debit,
    Settlement: redeeming.settle,
    Cancellation: redeeming.cancel,
    Resolution: reviewing.resolve,
}


def post(books: Books, posting: Posting) -> Outcome:
    """Apply `posting` and answer what came of it; raises a WhaleError where a rule refuses it, and
    then no balance changed."""
    return _RULES[type(posting)](books, posting)
