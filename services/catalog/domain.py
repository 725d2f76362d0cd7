"""The rules of rewards, pure: values in, values out, no clock, no randomness and no I/O."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from libs.contracts.api import SettingWarning
from libs.contracts.rewards import RewardCreate, RewardPatch, RewardType

FIRST_VERSION: Final = 1

_NO_VALUE: Final = (
    "The discount has no value, so nothing says what it is worth. Send `percent`, or `amount` and "
    "`currency`."
)

REWARD_ID: Final = re.compile(r"rwd_[A-Za-z0-9_-]{1,64}")


class Value(Struct, frozen=True, kw_only=True):
    """What a reward is worth: `amount` of money in `currency`, or `percent` off."""

    amount: Decimal | None = None
    currency: str | None = None
    percent: Decimal | None = None


def find_warnings(
    request: object, reward: "Reward", tiers: Sequence[str] | None
) -> list[SettingWarning]:
    """What nobody can mean with the reward, although the bounds allow it, at the places of what the
    request set. `tiers` are the names of the store's tiers, None if they are not known."""
    warnings = []
    if (
        isinstance(request, RewardCreate | RewardPatch)
        and isinstance(request.min_tier, str)
        and tiers is not None
        and request.min_tier not in tiers
    ):
        warnings.append(SettingWarning(pointer="#/min_tier", detail=_no_tier(tiers)))
    is_about_value = isinstance(request, RewardCreate) or (
        isinstance(request, RewardPatch)
        and (request.type is not UNSET or request.value is not UNSET)
    )
    if is_about_value and reward.type == "discount" and reward.value is None:
        warnings.append(SettingWarning(pointer="#/value", detail=_NO_VALUE))
    return warnings


def _no_tier(tiers: Sequence[str]) -> str:
    names = ", ".join(map(repr, tiers)) or "it has none"
    return (
        f"No tier of the store's default program has this name, so nobody can redeem the reward. Its "
        f"tiers: {names}."
    )


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


class RecordedVersion(Struct, frozen=True, kw_only=True):
    """A version of a reward as it was recorded: who made it, by the name of the key, and when. Both
    are None for a version that was made before versions were recorded."""

    reward: Reward
    changed_by: str | None
    changed_at: datetime | None
