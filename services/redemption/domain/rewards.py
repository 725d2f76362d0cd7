"""Rewards as redeeming sees them, and why one cannot be had."""

from datetime import datetime

from msgspec import Struct

from libs.contracts.events import RewardChanged
from libs.kernel.errors import Conflict, NotFound, RewardUnavailable, WhaleError

RewardKey = tuple[str, str]

# Types that the shop honours outside, by a code; a perk needs none.
WITH_CODE = frozenset({"discount", "shipping", "credit"})


class Reward(Struct, frozen=True, kw_only=True):
    """A version of a reward; `points_cost` is its price in points, `shown` the version as the
    catalog told it."""

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
    shown: RewardChanged

    @property
    def key(self) -> RewardKey:
        return self.store_id, self.reward_id


class Use(Struct, frozen=True):
    """How much of a reward is in use: by everybody, and by one customer. Every redemption counts
    but released and cancelled ones."""

    taken: int
    by_customer: int


def refusal(
    reward: Reward, use: Use, *, now: datetime, points_cost: int | None = None
) -> WhaleError | None:
    """Why the reward cannot be had, as far as it is the reward's own doing, or None.

    Redeeming and previews ask this same question, so they cannot differ. `points_cost` is the only
    price the caller would pay. Source of the order: the API's documentation, "Errors".
    """
    if reward.deleted:
        return NotFound("There is no such reward in this store.")
    closed = _closed(reward, now)
    if closed is not None:
        return closed
    if reward.per_customer_limit is not None and use.by_customer >= reward.per_customer_limit:
        return RewardUnavailable(
            f"The customer has had this reward {use.by_customer:,} times already.",
            reason="limit_reached",
        )
    if reward.stock is not None and use.taken >= reward.stock:
        return RewardUnavailable("There is none left of this reward.", reason="out_of_stock")
    if points_cost is not None and points_cost != reward.points_cost:
        return Conflict(f"The reward costs {reward.points_cost:,} points, not {points_cost:,}.")
    return None


def _closed(reward: Reward, now: datetime) -> RewardUnavailable | None:
    if not reward.is_active:
        return RewardUnavailable("The reward is not active.", reason="inactive")
    if reward.starts_at is not None and now < reward.starts_at:
        return RewardUnavailable("The reward is not to be had yet.", reason="not_started")
    if reward.ends_at is not None and now >= reward.ends_at:
        return RewardUnavailable("The reward is not to be had any more.", reason="ended")
    return None
