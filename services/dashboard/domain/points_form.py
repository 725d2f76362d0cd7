"""Awards and adjustments: what their form accepts, what it asks before it sends, and what would happen."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

from libs.kernel.clock import parse_date

# A release makes pending points available; it is confirmed on a page of its own.
Action = Literal["award", "adjust", "release"]
Step = Literal["edit", "confirm", "send"]
# When points expire: as the program says, after a day of their own, or never.
Expires = Literal["rule", "date", "never"]

# From here on, a confirmation says what will happen.
CONFIRMED_FROM: Final = 10_000
_MOST_POINTS: Final = 1_000_000_000
_LONGEST_REASON: Final = 255
# Commas are read where a reader would write them, so that "1,5" is not fifteen.
_NUMBER: Final = re.compile(r"\+?([0-9]{1,10}|[0-9]{1,3}(,[0-9]{3}){1,3})", re.ASCII)


class Entry(Struct, frozen=True, kw_only=True):
    """The form as it was sent. `preview` is the amount whose effect the reader saw; `is_locked` if it was
    sent before with an unknown outcome, so that its values may not change. `expires_on` is the last day of
    the points if `expires` is date."""

    points: str = ""
    reason: str = ""
    direction: str = "add"
    expires: Expires = "rule"
    expires_on: str = ""
    preview: str = ""
    is_confirmed: bool = False
    is_locked: bool = False

    @property
    def amount(self) -> int | None:
        """The signed points, or None for what is not a whole number within the bounds."""
        text = "".join(self.points.split())
        if _NUMBER.fullmatch(text) is None:
            return None
        number = int(text.replace(",", ""))
        if not 1 <= number <= _MOST_POINTS:
            return None
        return -number if self.direction == "remove" else number

    @property
    def day(self) -> date | None:
        """The last day that was entered, or None for what is no day."""
        try:
            return parse_date(self.expires_on)
        except ValueError:
            return None

    @property
    def follows_rule(self) -> bool:
        """Whether the program's rule says when the points expire; what is removed has no date either."""
        return self.expires == "rule" or self.direction == "remove"


class TierLimit(Struct, frozen=True):
    """A tier, and the lifetime points from which it is held."""

    name: str
    min_points: int


class Account(Struct, frozen=True):
    """A customer's points before the change."""

    balance: int = 0
    lifetime: int = 0
    tier: str | None = None


class Effect(Struct, frozen=True):
    """What a change of points would do. `after` has the tier of before where the tiers are not known."""

    points: int
    before: Account
    after: Account

    @property
    def is_below_zero(self) -> bool:
        """Whether an adjustment would take the balance below zero, which is refused."""
        return self.points < 0 and self.after.balance < 0


def problems(entry: Entry) -> list[str]:
    """The names of the invalid fields."""
    names = []
    if entry.amount is None:
        names.append("points")
    if not entry.follows_rule and entry.expires == "date" and entry.day is None:
        names.append("expires_on")
    if not 1 <= len(entry.reason) <= _LONGEST_REASON:
        names.append("reason")
    return names


def last_day(entry: Entry) -> date | UnsetType | None:
    """The last day of the points of a valid form: None if they never expire, UNSET if the program's rule
    says when."""
    if entry.follows_rule:
        return UNSET
    return None if entry.expires == "never" else entry.day


def next_step(entry: Entry) -> Step:
    """What a valid form does next: nothing is sent whose effect the reader has not seen, nor a large
    amount without a confirmation. A repeat after an unknown outcome was seen and confirmed before."""
    if entry.is_locked:
        return "send"
    amount = entry.amount
    if amount is None or entry.preview != str(amount):
        return "edit"
    if abs(amount) >= CONFIRMED_FROM and not entry.is_confirmed:
        return "confirm"
    return "send"


def effect_of(
    action: Action, points: int, before: Account, tiers: Sequence[TierLimit] | None
) -> Effect:
    """What a change of points does: an award or a release raises the lifetime points and perhaps the tier,
    an adjustment changes only the balance."""
    if action == "adjust":
        return Effect(
            points, before, Account(before.balance + points, before.lifetime, before.tier)
        )
    lifetime = before.lifetime + points
    tier = before.tier if tiers is None else _tier_at(lifetime, tiers)
    return Effect(points, before, Account(before.balance + points, lifetime, tier))


def _tier_at(lifetime: int, tiers: Sequence[TierLimit]) -> str | None:
    reached = [tier for tier in tiers if tier.min_points <= lifetime]
    return max(reached, key=lambda tier: tier.min_points).name if reached else None
