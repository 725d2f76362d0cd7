"""Builders for the tests of the fold: a batch with a program, and postings with default values."""

from collections.abc import Hashable
from datetime import UTC, datetime
from decimal import Decimal

from libs.kernel.ids import uuid7_text
from services.earning.domain.accounts import Account, AccountKey, Entry
from services.earning.domain.awards import Award
from services.earning.domain.batch import LedgerBatch, R
from services.earning.domain.order_records import Order
from services.earning.domain.postings import Outcome, Posting
from services.earning.domain.programs import Program, StorePrograms
from services.earning.handlers.posting_kinds import post
from tests.unit.earning.test_programs import program

STORE = "store_1"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


class Ledger(LedgerBatch):
    """A batch that a test posts to."""

    def post(self, posting: Posting) -> Outcome:
        return post(self, posting)

    def recorded(self, kind: type[R], key: Hashable) -> R:
        """The record with this key, which exists."""
        record = self.get(kind, key)
        assert record is not None
        return record

    def tiers_of(self, entry: Entry) -> tuple[str | None, str | None]:
        """The customer's tier before and after the entry."""
        place = self.entries.index(entry)
        before = {change.place: change.before for change in self.tier_changes}
        after = self.tiers[place]
        return before.get(place, after), after


class Accounts(dict[AccountKey, Account]):
    """Empty accounts, numbered from 1."""

    def __missing__(self, key: AccountKey) -> Account:
        account = self[key] = Account(store_id=key[0], customer_id=key[1], id=len(self) + 1)
        return account


def books(*programs: Program) -> Ledger:
    """An empty batch of a store with these programs, or with the default one."""
    in_force = {STORE: StorePrograms(programs or (program(),))}
    return Ledger(programs=in_force, accounts=Accounts(), new_id=uuid7_text)


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
