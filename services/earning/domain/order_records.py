"""Orders, and what the ledger records of them."""

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from msgspec import Raw, Struct

from libs.contracts.api import SkipReason
from services.earning.domain.accounts import Account
from services.earning.domain.postings import Posting

OrderState = Literal["counted", "held", "skipped"]

OrderKey = tuple[str, str]

NO_ITEMS: Final = Raw(b"null")


class Order(Posting, frozen=True, gc=False):
    """A completed order; `total` is money in `currency`, and `items` are its lines as sent."""

    order_id: str
    total: Decimal
    currency: str
    program_id: str | None
    reason: str
    occurred_at: datetime
    items: Raw = NO_ITEMS

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


class Recheck(Posting, frozen=True, kw_only=True, gc=False):
    """Post a skipped order of the customer under the rules now in force."""

    order_id: str

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


class OrderRecord(Struct, array_like=True, gc=False):
    """An order as recorded, as the columns of its row: `award` is the points it earned with the entry
    `entry_sequence`, `refunded` the money refunded, and `refunded_points` and `voided_points` the points
    clawed back from the award. An order that was read has no `entry_sequence`, which never changes.
    `arrival` and `recorded_at` are set when it is written."""

    store_id: str
    order_id: str
    account_id: int
    total: Decimal
    currency: str
    program_id: str | None
    state: OrderState
    reason: str
    occurred_at: datetime
    skip_reason: SkipReason | None = None
    award: int = 0
    entry_sequence: int | None = None
    refunded: Decimal = Decimal(0)
    refunded_points: int = 0
    voided_points: int = 0
    arrival: int | None = None
    recorded_at: datetime | None = None

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id

    def is_same(self, order: Order, account: Account) -> bool:
        """Whether `order`, of `account`, is a redelivery of this order."""
        return (
            self.account_id == account.id
            and self.total == order.total
            and self.currency == order.currency
            and self.program_id == order.program_id
        )

    @property
    def remainder(self) -> int:
        """The points of the award that were neither refunded nor voided."""
        return self.award - self.refunded_points - self.voided_points
