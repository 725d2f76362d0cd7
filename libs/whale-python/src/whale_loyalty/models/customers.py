"""A customer's points, tier and status."""

from datetime import datetime
from decimal import Decimal

from whale_loyalty.models.base import Model
from whale_loyalty.models.expirations import ExpiringPoints
from whale_loyalty.values import AccountStatus, TransactionType


class NextTier(Model, frozen=True, kw_only=True):
    """The next higher tier; `points_needed` is in lifetime points."""

    name: str
    points_needed: int


class HeldTier(Model, frozen=True, kw_only=True):
    """The tier that a customer holds; `next_tier` is None for the highest tier."""

    name: str
    multiplier: Decimal
    next_tier: NextTier | None = None


class RecentTransaction(Model, frozen=True, kw_only=True):
    """A transaction as it is listed in a customer's status."""

    id: str
    type: TransactionType
    points: int
    reason: str
    created_at: datetime


class CustomerStatus(Model, frozen=True, kw_only=True):
    """A customer's points and tier; `tier` is None while the customer holds none.

    `points_pending` are points that wait before they can be spent, `next_expiration` the points that expire next.

    `transactions` holds the ten newest and is empty in lists. `status` is active or suspended; its last
    change was made with the key named `status_by`.
    """

    customer_id: str
    points_balance: int
    lifetime_points: int
    tier: HeldTier | None
    member_since: datetime
    transactions: list[RecentTransaction] = []
    status: AccountStatus = "active"
    status_note: str | None = None
    status_by: str | None = None
    status_changed_at: datetime | None = None
    points_pending: int = 0
    next_expiration: ExpiringPoints | None = None
