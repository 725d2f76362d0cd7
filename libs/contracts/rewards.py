"""The REST schemas of rewards and redemptions. The fields that clients rely on come first."""

from decimal import Decimal
from typing import Final, Literal

from msgspec import UNSET, UnsetType

from libs.contracts.api import Request, Response, SettingWarning
from libs.contracts.events import RewardRef
from libs.contracts.numbers import Exact, Money

RewardType = Literal["discount", "shipping", "credit", "perk"]
RedemptionStatus = Literal["reserved", "confirmed", "used", "cancelling", "cancelled", "released"]

# Room for blanks and hyphens: a code has 16 symbols.
MAX_CODE: Final = 64
MAX_COST: Final = 10**12
MAX_STOCK: Final = 10**9
MAX_PER_CUSTOMER: Final = 10**6
MAX_DESCRIPTION: Final = 1_000
MAX_URL: Final = 2_000
MAX_METADATA: Final = 50
MAX_METADATA_KEY: Final = 40
MAX_METADATA_VALUE: Final = 500


class RewardValue(Response, frozen=True, kw_only=True, omit_defaults=True):
    """The worth of a reward: either `amount`, money in `currency`, or a discount of `percent`."""

    amount: str | None = None
    currency: str | None = None
    percent: Decimal | None = None


class Reward(Response, frozen=True, kw_only=True):
    """A reward; `points_cost` is its price in points, `stock_left` the remaining part of `stock`.
    `warnings` are in the response to a change only. `version` counts the changes."""

    id: str
    name: str
    points_cost: int
    type: RewardType
    description: str | UnsetType = UNSET
    value: RewardValue | UnsetType = UNSET
    stock: int | UnsetType = UNSET
    stock_left: int | UnsetType = UNSET
    per_customer_limit: int | UnsetType = UNSET
    starts_at: str | UnsetType = UNSET
    ends_at: str | UnsetType = UNSET
    min_tier: str | UnsetType = UNSET
    image_url: str | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    is_active: bool
    created_at: str
    warnings: list[SettingWarning] | UnsetType = UNSET
    version: int


class RewardVersion(Reward, frozen=True, kw_only=True):
    """A reward as it was from `changed_at` on, when the key named `changed_by` changed it. Both are
    omitted for a version that was written before versions were kept. `deleted` is true for the last
    version of a deleted reward. `stock_left` and `warnings` belong to no version."""

    changed_by: str | UnsetType = UNSET
    changed_at: str | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET


class RewardForCustomer(Reward, frozen=True, kw_only=True):
    """A reward, and whether it is available to a customer now. If not, `reason` is the reason of the
    refusal or else its code, and `missing` the number of missing points."""

    available: bool
    reason: str | UnsetType = UNSET
    missing: int | UnsetType = UNSET


class RewardValueInput(Request, frozen=True, kw_only=True):
    """Either `amount` and `currency`, or `percent`."""

    amount: Money | None = None
    currency: str | None = None
    percent: Exact | None = None


class RewardCreate(Request, frozen=True, kw_only=True):
    """A new reward. The caller may choose the `id` (`rwd_…`). A field that is null counts as absent."""

    name: str
    points_cost: int
    type: RewardType
    id: str | None = None
    description: str | None = None
    value: RewardValueInput | None = None
    stock: int | None = None
    per_customer_limit: int | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    min_tier: str | None = None
    image_url: str | None = None
    metadata: dict[str, str] | None = None
    is_active: bool = True


class RewardPatch(Request, frozen=True, kw_only=True):
    """Omitted fields are not changed; null removes an optional field. With `version`, only if that is
    still the reward's version."""

    name: str | UnsetType = UNSET
    points_cost: int | UnsetType = UNSET
    type: RewardType | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    value: RewardValueInput | UnsetType | None = UNSET
    stock: int | UnsetType | None = UNSET
    per_customer_limit: int | UnsetType | None = UNSET
    starts_at: str | UnsetType | None = UNSET
    ends_at: str | UnsetType | None = UNSET
    min_tier: str | UnsetType | None = UNSET
    image_url: str | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET
    version: int | UnsetType = UNSET


class RedeemRequest(Request, frozen=True, kw_only=True):
    """Redeem a reward; with `points_cost`, only at this price."""

    customer_id: str
    reward_id: str
    points_cost: int | None = None


class UseRequest(Request, frozen=True, kw_only=True):
    """Use the redemption with this code, as a customer shows it or a person types it."""

    code: str


class RedeemAnswer(Response, frozen=True, kw_only=True):
    """The transaction of a redemption; `code` is the code that the shop accepts, if there is one."""

    id: str
    customer_id: str
    type: Literal["redeem"]
    points: int
    reward: RewardRef
    balance_after: int
    created_at: str
    redemption_id: str
    code: str | UnsetType = UNSET


class Redemption(Response, frozen=True, kw_only=True):
    """A redemption and its status; `points` is its price, a positive number."""

    id: str
    customer_id: str
    reward: RewardRef
    points: int
    status: RedemptionStatus
    code: str | UnsetType = UNSET
    transaction_id: str | UnsetType = UNSET
    created_at: str
