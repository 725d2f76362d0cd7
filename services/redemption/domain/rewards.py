"""Rewards as redeeming sees them, and why a customer cannot redeem one."""

from datetime import datetime

from msgspec import Struct

from libs.contracts.events import RewardChanged
from libs.kernel.clock import format_time
from libs.kernel.errors import Conflict, NotFound, RewardUnavailable, WhaleError

RewardKey = tuple[str, str]

# Types that the shop fulfills outside this system, by a code; a perk needs none.
WITH_CODE = frozenset({"discount", "shipping", "credit"})


class Reward(Struct, frozen=True, kw_only=True):
    """A version of a reward; `points_cost` is its price in points, `event` the version as the catalog
    published it."""

    store_id: str
    reward_id: str
    version: int
    name: str
    points_cost: int
    type: str
    is_active: bool
    deleted: bool
    stock: int | None
    per_customer_limit: int | None
    starts_at: datetime | None
    ends_at: datetime | None
    min_tier: str | None
    created_at: datetime
    event: RewardChanged

    @property
    def key(self) -> RewardKey:
        return self.store_id, self.reward_id


class Usage(Struct, frozen=True):
    """How many redemptions of a reward count against its stock, and how many of them are those of one
    customer. Every redemption counts but released and cancelled ones."""

    in_use: int
    by_customer: int


def find_refusal(
    reward: Reward, usage: Usage, *, now: datetime, points_cost: int | None = None
) -> WhaleError | None:
    """Why the reward cannot be redeemed, as far as the reward itself decides it, or None.

    Redeeming and previews call this same function, so they cannot differ. `points_cost` is the only
    price that the caller accepts. Source of the order: the API's documentation, "Errors".
    """
    if reward.deleted:
        return NotFound("There is no such reward in this store.")
    unavailable = _find_unavailable(reward, now)
    if unavailable is not None:
        return unavailable
    limit = reward.per_customer_limit
    if limit is not None and usage.by_customer >= limit:
        return RewardUnavailable(
            f"The customer has reached this reward's limit of {limit:,} per customer.",
            reason="limit_reached",
        )
    if reward.stock is not None and usage.in_use >= reward.stock:
        return RewardUnavailable("The reward is out of stock.", reason="out_of_stock")
    if points_cost is not None and points_cost != reward.points_cost:
        return Conflict(
            f"The reward costs {reward.points_cost:,} points, not {points_cost:,}. Show the customer "
            "the new price, and send it as `points_cost`."
        )
    return None


def _find_unavailable(reward: Reward, now: datetime) -> RewardUnavailable | None:
    if not reward.is_active:
        return RewardUnavailable("The reward is not active.", reason="inactive")
    if reward.starts_at is not None and now < reward.starts_at:
        starts_at = format_time(reward.starts_at)
        return RewardUnavailable(
            f"The reward is available from {starts_at} on.", reason="not_started"
        )
    if reward.ends_at is not None and now >= reward.ends_at:
        ends_at = format_time(reward.ends_at)
        return RewardUnavailable(f"The reward was available until {ends_at}.", reason="ended")
    return None
