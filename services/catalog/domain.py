"""The rules of rewards, pure: values in, values out, no clock, no randomness and no I/O."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from libs.contracts.rewards import RewardType

FIRST_VERSION: Final = 1

REWARD_ID: Final = re.compile(r"rwd_[A-Za-z0-9_-]{1,64}")


class Value(Struct, frozen=True, kw_only=True):
    """What a reward is worth: `amount` of money in `currency`, or `percent` off."""

    amount: Decimal | None = None
    currency: str | None = None
    percent: Decimal | None = None


class Reward(Struct, frozen=True, kw_only=True):
    """One version of a reward; `points_cost` is in points, `in_use` counts its redemptions that were
    not cancelled. A `deleted` reward has no further version."""

    id: str
    version: int
    name: str
    points_cost: int
    type: RewardType
    is_active: bool
    created_at: datetime
    description: str | None = None
    value: Value | None = None
    stock: int | None = None
    per_customer_limit: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    min_tier: str | None = None
    image_url: str | None = None
    metadata: dict[str, str] | None = None
    deleted: bool = False
    in_use: int = 0

    @property
    def stock_left(self) -> int | None:
        """The rest of the stock; None where the stock is unlimited.

        Redemptions and cancellations arrive on different topics, so a cancellation may be counted
        first: that never shows more than the stock.
        """
        return None if self.stock is None else max(0, self.stock - max(0, self.in_use))

    @property
    def has_valid_period(self) -> bool:
        """Whether there is any time at which it is available."""
        return self.starts_at is None or self.ends_at is None or self.starts_at < self.ends_at

    def change(self, fields: dict[str, object]) -> "Reward":
        """The next version, with these fields replaced."""
        return msgspec.structs.replace(self, version=self.version + 1, **fields)

    def delete(self) -> "Reward":
        """The last version."""
        return self.change({"deleted": True})
