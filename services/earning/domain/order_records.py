"""Orders, and what the ledger records of them."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from libs.contracts.api import SkipReason
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.postings import Posting

OrderState = Literal["counted", "held", "skipped"]

OrderKey = tuple[str, str]


class Order(Posting, frozen=True, kw_only=True, gc=False):
    """A completed order; `total` is money in `currency`."""

    order_id: str
    total: Decimal
    currency: str
    program_id: str | None
    reason: str
    occurred_at: datetime

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


class Recheck(Posting, frozen=True, kw_only=True, gc=False):
    """Post a skipped order of the customer under the rules now in force."""

    order_id: str

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


class OrderRecord(Struct, kw_only=True, gc=False):
    """An order as recorded: `award` is the points it earned, `refunded` the money refunded, and
    `refunded_points` and `voided_points` the points clawed back from the award."""

    store_id: str
    order_id: str
    account: Account | None
    account_id: int | None
    total: Decimal
    currency: str
    program_id: str | None
    state: OrderState
    reason: str
    occurred_at: datetime
    skip_reason: SkipReason | None = None
    award: int = 0
    entry: Entry | None = None
    refunded: Decimal = Decimal(0)
    refunded_points: int = 0
    voided_points: int = 0

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id

    def is_same(self, order: Order, account: Account) -> bool:
        """Whether `order`, of `account`, is a redelivery of this order."""
        return (
            self.belongs_to(account)
            and self.total == order.total
            and self.currency == order.currency
            and self.program_id == order.program_id
        )

    @property
    def written_account_id(self) -> int | None:
        """The account's id: a new account has one by the time its records are written."""
        return self.account_id if self.account is None else self.account.id

    def belongs_to(self, account: Account) -> bool:
        if self.account is not None:
            return self.account is account
        return self.account_id == account.id

    @property
    def remainder(self) -> int:
        """The points of the award that were neither refunded nor voided."""
        return self.award - self.refunded_points - self.voided_points
