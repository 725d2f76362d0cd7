"""Rewards and their redemptions."""

from datetime import datetime
from decimal import Decimal

from whale_loyalty.models.base import Model, SettingWarning
from whale_loyalty.values import RedemptionStatus, RewardType, UnavailableReason


class RewardRef(Model, frozen=True, kw_only=True):
    """A reward's id, and its name at the time of the redemption."""

    id: str
    name: str


class RewardValue(Model, frozen=True, kw_only=True):
    """What a reward is worth: `amount` of money in `currency`, or `percent` off."""

    amount: Decimal | None = None
    currency: str | None = None
    percent: Decimal | None = None


class Reward(Model, frozen=True, kw_only=True):
    """A reward; `points_cost` is its price in points, `stock_left` the remainder of `stock`.

    `type` is discount, shipping, credit or perk. In a list for a customer, `available` says whether
    that customer can redeem it now; if not, `reason` says why and `missing` how many points are
    missing.
    """

    id: str
    name: str
    points_cost: int
    type: RewardType
    is_active: bool = True
    created_at: datetime | None = None
    description: str | None = None
    value: RewardValue | None = None
    stock: int | None = None
    stock_left: int | None = None
    per_customer_limit: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    min_tier: str | None = None
    image_url: str | None = None
    metadata: dict[str, str] | None = None
    available: bool | None = None
    reason: UnavailableReason | None = None
    missing: int | None = None
    warnings: list[SettingWarning] = []
    version: int = 0


class RewardVersion(Reward, frozen=True, kw_only=True):
    """A reward as it was from `changed_at` on, when the key named `changed_by` changed it. Both are None
    for a version that is older than the record. `deleted` is true for the last version of a deleted reward.
    """

    changed_by: str | None = None
    changed_at: datetime | None = None
    deleted: bool = False


class Redemption(Model, frozen=True, kw_only=True):
    """A redemption and its status; `points` is the price paid, positive.

    `status` is reserved, confirmed, used, cancelling, cancelled or released.
    """

    id: str
    customer_id: str
    reward: RewardRef
    points: int
    status: RedemptionStatus
    created_at: datetime
    code: str | None = None
    transaction_id: str | None = None
