"""Postings, the commands of the ledger, and the records that they leave."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from libs.contracts.api import SkipReason
from libs.contracts.events import RewardRef
from services.earning.domain.accounts import Account, Entry

OrderState = Literal["counted", "held", "skipped"]
RefundState = Literal["counted", "waiting", "conflict"]
DebitState = Literal["debited", "cancelled", "refused"]

OrderKey = tuple[str, str]
RefundKey = tuple[str, str, str]


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

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


class Recheck(Struct, frozen=True, kw_only=True, gc=False):
    """Post a skipped order of the customer under the rules now in force."""

    store_id: str
    customer_id: str
    order_id: str

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


class Refund(Struct, frozen=True, kw_only=True, gc=False):
    """A refund of an order: `amount` is money in the order's currency, None for the whole rest."""

    store_id: str
    customer_id: str
    order_id: str
    refund_id: str
    amount: Decimal | None
    occurred_at: datetime

    @property
    def key(self) -> RefundKey:
        return self.store_id, self.order_id, self.refund_id


class Award(Struct, frozen=True, kw_only=True, gc=False):
    """A manual award of `points`, taken as given; `posted_by` is the key's name."""

    store_id: str
    customer_id: str
    points: int
    reason: str
    occurred_at: datetime
    posted_by: str


class Adjustment(Struct, frozen=True, kw_only=True, gc=False):
    """A manual correction: `points` is signed; the lifetime stays the same. `posted_by` is the key's
    name."""

    store_id: str
    customer_id: str
    points: int
    reason: str
    occurred_at: datetime
    posted_by: str


class StatusChange(Struct, frozen=True, kw_only=True, gc=False):
    """Suspend an account, or make it active again; `changed_by` is the key's name."""

    store_id: str
    customer_id: str
    suspended: bool
    note: str | None
    changed_by: str


class Debit(Struct, frozen=True, kw_only=True, gc=False):
    """Take the price of a reward, once per redemption; `min_tier` is the tier the reward requires."""

    store_id: str
    customer_id: str
    redemption_id: str
    points: int
    reward: RewardRef
    min_tier: str | None
    occurred_at: datetime


class Settlement(Struct, frozen=True, kw_only=True, gc=False):
    """Decide whether a redemption was debited; if it was not, it never will be."""

    store_id: str
    customer_id: str
    redemption_id: str


class Cancellation(Struct, frozen=True, kw_only=True, gc=False):
    """Return the points of a redemption, once."""

    store_id: str
    customer_id: str
    redemption_id: str
    occurred_at: datetime


class Resolution(Struct, frozen=True, kw_only=True, gc=False):
    """A reviewer's decision on an anomaly, carried out once: `voided` claws back the remainders of the
    awards `transaction_ids`, `suspended` suspends the account. `reason` is the reason of a void's
    entry."""

    store_id: str
    customer_id: str
    anomaly_id: str
    action: Literal["voided", "suspended"]
    transaction_ids: tuple[str, ...]
    reason: str
    note: str | None
    resolved_by: str
    occurred_at: datetime


Posting = (
    Order
    | Recheck
    | Refund
    | Award
    | Adjustment
    | StatusChange
    | Debit
    | Settlement
    | Cancellation
    | Resolution
)


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

    def belongs_to(self, account: Account) -> bool:
        if self.account is not None:
            return self.account is account
        return self.account_id == account.id

    @property
    def remainder(self) -> int:
        """The points of the award that were neither refunded nor voided."""
        return self.award - self.refunded_points - self.voided_points


class RefundRecord(Struct, kw_only=True, gc=False):
    """A refund as recorded. A waiting refund counts once its order does; if it contradicts the order,
    it becomes a conflict, with the reason in `detail`."""

    store_id: str
    order_id: str
    refund_id: str
    account: Account | None
    account_id: int | None
    amount: Decimal | None
    state: RefundState
    occurred_at: datetime
    points: int = 0
    entry: Entry | None = None
    detail: str | None = None

    def is_same(self, refund: Refund, account: Account) -> bool:
        """Whether `refund`, of `account`, is a redelivery of this refund."""
        return self.belongs_to(account) and self.amount == refund.amount

    def belongs_to(self, account: Account) -> bool:
        if self.account is not None:
            return self.account is account
        return self.account_id == account.id


class DebitRecord(Struct, kw_only=True, gc=False):
    """A redemption in the ledger: debited by `entry`, then perhaps cancelled by `cancel_entry`, or
    permanently refused without an entry. `account` is None if the customer does not exist."""

    store_id: str
    redemption_id: str
    account: Account | None
    state: DebitState
    entry: Entry | None = None
    cancel_entry: Entry | None = None


class AwardRecord(Struct, kw_only=True, gc=False):
    """An award that an anomaly names. What was clawed back from the award of an order is recorded
    with the `order`; `voided` is for manual awards."""

    account_id: int
    sequence: int
    points: int
    order: OrderKey | None = None
    voided: bool = False


class ResolutionRecord(Struct, frozen=True, kw_only=True):
    """A resolution that was carried out; without an entry if nothing remained to claw back."""

    anomaly_id: str
    store_id: str
    account: Account
    action: Literal["voided", "suspended"]
    entry: Entry | None = None


class StatusChangeOutcome(Struct, frozen=True):
    """The account after a change of its status. If not `is_complete`, held orders are left to post:
    the account stays suspended until the change is posted again."""

    account: Account
    is_complete: bool


class Duplicate(Struct, frozen=True):
    """The posting is already recorded; nothing was posted."""


Outcome = (
    Entry
    | OrderRecord
    | RefundRecord
    | StatusChangeOutcome
    | DebitRecord
    | ResolutionRecord
    | Duplicate
)
