"""What can be posted, and what comes of it."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from services.earning.domain.accounts import Account, Entry
from services.earning.domain.programs import SkipReason

OrderState = Literal["counted", "held", "skipped"]


class Order(Struct, frozen=True, kw_only=True, gc=False):
    """A completed order; `total` is money in `currency`."""

    store_id: str
    customer_id: str
    order_id: str
    total: Decimal
    currency: str
    program_id: str | None
    reason: str
    occurred_at: datetime


class Award(Struct, frozen=True, kw_only=True, gc=False):
    """A manual award of `points`, taken as given."""

    store_id: str
    customer_id: str
    points: int
    reason: str
    occurred_at: datetime


Posting = Order | Award


class OrderRecord(Struct, kw_only=True, gc=False):
    """An order as it is recorded. It counts once; `award` are the points it earned."""

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

    def is_same(self, order: Order, account: Account) -> bool:
        """Whether `order`, of `account`, is this very order delivered again."""
        return (
            self._belongs_to(account)
            and self.total == order.total
            and self.currency == order.currency
            and self.program_id == order.program_id
        )

    def _belongs_to(self, account: Account) -> bool:
        if self.account is not None:
            return self.account is account
        return self.account_id == account.id


class Repeated(Struct, frozen=True):
    """The posting had happened before; nothing was posted."""


Outcome = Entry | OrderRecord | Repeated
