"""What can be posted, and what comes of it."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from libs.contracts.events import RewardRef
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.programs import SkipReason

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


class Refund(Struct, frozen=True, kw_only=True, gc=False):
    """A refund of an order: `amount` is money in the order's currency, None for all that is left."""

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
    """A manual award of `points`, taken as given."""

    store_id: str
    customer_id: str
    points: int
    reason: str
    occurred_at: datetime


class Adjustment(Struct, frozen=True, kw_only=True, gc=False):
    """A correction by hand: `points` is signed, and leaves the lifetime as it is."""

    store_id: str
    customer_id: str
    points: int
    reason: str
    occurred_at: datetime


class StatusChange(Struct, frozen=True, kw_only=True, gc=False):
    """Suspend an account, or make it active again; `changed_by` is the key's name."""

    store_id: str
    customer_id: str
    suspended: bool
    note: str | None
    changed_by: str


class Debit(Struct, frozen=True, kw_only=True, gc=False):
    """The price of a reward, taken once per redemption; `min_tier` is the tier it asks for."""

    store_id: str
    customer_id: str
    redemption_id: str
    points: int
    reward: RewardRef
    min_tier: str | None
    occurred_at: datetime


class Settlement(Struct, frozen=True, kw_only=True, gc=False):
    """Say whether a redemption was debited; one that was not never will be."""

    store_id: str
    customer_id: str
    redemption_id: str


class Cancellation(Struct, frozen=True, kw_only=True, gc=False):
    """Give back what a redemption took, once."""

    store_id: str
    customer_id: str
    redemption_id: str
    occurred_at: datetime


class Resolution(Struct, frozen=True, kw_only=True, gc=False):
    """What people made of an anomaly, done once: `voided` takes back what is left of the awards
    `transaction_ids`, `suspended` suspends the account. `reason` is what a void's entry says."""

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
    """An order as it is recorded. It counts once; `award` are the points it earned, `refunded` the
    money given back of it, and the two `…_points` what was taken back of the award."""

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
        """Whether `order`, of `account`, is this very order delivered again."""
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
        """The points of the award that nobody has taken back yet."""
        return self.award - self.refunded_points - self.voided_points


class RefundRecord(Struct, kw_only=True, gc=False):
    """A refund as it is recorded. Waiting ones count with their order; one that contradicts it then
    is kept as a conflict, with the reason in `detail`."""

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
        """Whether `refund`, of `account`, is this very refund delivered again."""
        return self.belongs_to(account) and self.amount == refund.amount

    def belongs_to(self, account: Account) -> bool:
        if self.account is not None:
            return self.account is account
        return self.account_id == account.id


class DebitRecord(Struct, kw_only=True, gc=False):
    """A redemption as the ledger knows it: debited by `entry`, perhaps cancelled since, or refused
    for ever, which has no entry, nor an account where there is no such customer."""

    store_id: str
    redemption_id: str
    account: Account | None
    state: DebitState
    entry: Entry | None = None
    cancelled_by: Entry | None = None


class AwardRecord(Struct, kw_only=True, gc=False):
    """An award that an anomaly names. What was taken back of an order's stands with its `order`;
    of one by hand, `voided` says whether it was taken back."""

    account_id: int
    sequence: int
    points: int
    order: OrderKey | None = None
    voided: bool = False


class Resolved(Struct, frozen=True, kw_only=True):
    """A resolution as it was carried out; no entry where nothing was left to take back."""

    anomaly_id: str
    store_id: str
    account: Account
    action: Literal["voided", "suspended"]
    entry: Entry | None = None


class StatusChanged(Struct, frozen=True):
    """The account is as asked. With `more`, held orders are still to be posted: it stays suspended
    until the change is posted again."""

    account: Account
    more: bool = False


class Repeated(Struct, frozen=True):
    """The posting had happened before; nothing was posted."""


Outcome = Entry | OrderRecord | RefundRecord | StatusChanged | DebitRecord | Resolved | Repeated
