"""Builders for the tests of the fold: books with a program, and postings with default values."""

from datetime import UTC, datetime
from decimal import Decimal

from libs.kernel.ids import uuid7_text
from services.earning.domain.books import Books, Known
from services.earning.domain.fold import post
from services.earning.domain.postings import Award, Order, Outcome, Posting
from services.earning.domain.programs import Program, StorePrograms
from tests.unit.earning.test_programs import program

STORE = "store_1"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


class Ledger(Books):
    """Books that a test posts to."""

    def post(self, posting: Posting) -> Outcome:
        return post(self, posting)


def books(*programs: Program) -> Ledger:
    """Empty books of a store with these programs, or with the default one."""
    known = Known(programs={STORE: StorePrograms(programs or (program(),))})
    return Ledger(known, new_id=uuid7_text)


def order(
    order_id: str,
    total: str = "50.00",
    *,
    customer_id: str = "cust_1",
    currency: str = "USD",
    program_id: str | None = None,
    occurred_at: datetime = NOON,
) -> Order:
    return Order(
        store_id=STORE,
        customer_id=customer_id,
        order_id=order_id,
        total=Decimal(total),
        currency=currency,
        program_id=program_id,
        reason=f"Order {order_id}",
        occurred_at=occurred_at,
    )


def award(points: int, *, customer_id: str = "cust_1", reason: str = "Birthday bonus") -> Award:
    return Award(
        store_id=STORE,
        customer_id=customer_id,
        points=points,
        reason=reason,
        occurred_at=NOON,
        posted_by="Ana",
    )
