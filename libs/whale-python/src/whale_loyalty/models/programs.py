"""Programs, their versions, and previews of a change."""

from datetime import date, datetime
from decimal import Decimal
from typing import NotRequired, TypedDict

from whale_loyalty.models.base import Model, SettingWarning
from whale_loyalty.values import ExistingDates, ExpiryKind, PendingFrom, Round


class Tier(Model, frozen=True, kw_only=True):
    """A tier of a program: `min_points` is the lifetime threshold, `multiplier` scales order awards."""

    name: str
    min_points: int
    multiplier: Decimal
    perks: list[str] | None = None


class Expiry(Model, frozen=True, kw_only=True):
    """When points expire: `after` so many months or days, `yearly` on fixed dates (`12-31`), or together after
    `inactivity`."""

    kind: ExpiryKind
    months: int | None = None
    days: int | None = None
    round: Round | None = None
    dates: list[str] | None = None
    at_least_days: int | None = None
    returned_days: int | None = None


class Pending(Model, frozen=True, kw_only=True, rename={"from_": "from"}):
    """How long the points of an order wait: `days` local days after the order, or after its fulfillment."""

    days: int
    from_: PendingFrom | None = None
    give_up_days: int | None = None


class Program(Model, frozen=True, kw_only=True):
    """A loyalty program; `points_per_dollar` is points per unit of `currency`.

    The default program prices orders that name no program, and gives the tiers. `warnings` come with the
    response to a change. Every change increases `version`. With `keep_items`, the lines of its orders are kept.
    """

    id: str
    name: str
    points_per_dollar: Decimal
    tiers: list[Tier]
    is_active: bool
    created_at: datetime
    currency: str = "USD"
    is_default: bool | None = None
    warnings: list[SettingWarning] = []
    version: int | None = None
    keep_items: bool = False
    time_zone: str | None = None
    expiry: Expiry | None = None
    remind_days: list[int] | None = None
    pending: Pending | None = None


class ProgramVersion(Model, frozen=True, kw_only=True):
    """A program as it was from `changed_at` until its next version; `changed_by` is the name of the key."""

    id: str
    name: str
    points_per_dollar: Decimal
    tiers: list[Tier]
    is_active: bool
    created_at: datetime
    currency: str
    version: int
    changed_at: datetime
    changed_by: str | None = None
    keep_items: bool = False
    time_zone: str | None = None
    expiry: Expiry | None = None
    remind_days: list[int] | None = None
    pending: Pending | None = None


class NoTierPreview(Model, frozen=True, kw_only=True):
    """Customers without a tier, and the points that an order of `order_total` earns them."""

    customers_before: int
    customers_after: int
    points_before: int | None = None
    points_after: int | None = None


class TierPreview(NoTierPreview, frozen=True, kw_only=True):
    """The same for a tier; points are None where the program does not have the tier or is not active."""

    name: str


class ExpirationPreview(Model, frozen=True, kw_only=True):
    """The last day of points that become available on a day; customers are reminded when the days of
    `reminders_on` begin."""

    available_on: date
    expires_on: date
    reminders_on: list[date]


class OrderPreview(Model, frozen=True, kw_only=True):
    """An order of today whose points wait. With `waits_for`, it is fulfilled today too, and one that is not
    fulfilled by the end of `gives_up_on` gives no points."""

    completed_on: date
    available_on: date
    waits_for: PendingFrom | None = None
    gives_up_on: date | None = None
    expires_on: date | None = None


class DatesPreview(Model, frozen=True, kw_only=True):
    """Examples of what would expire when, today's first; an order of today, if points wait; and what becomes
    of the dates of existing points, if the change concerns them."""

    expirations: list[ExpirationPreview]
    time_zone: str | None = None
    order: OrderPreview | None = None
    existing: ExistingDates | None = None


class ProgramPreview(Model, frozen=True, kw_only=True):
    """What a change of a program would mean, and how many customers would get a higher or lower tier. `dates`
    is None where nothing expires or waits."""

    order_total: Decimal
    tiers: list[TierPreview]
    moves_up: int
    moves_down: int
    without_tier: NoTierPreview
    dates: DatesPreview | None = None


class TierInput(TypedDict):
    """A tier in a request."""

    name: str
    min_points: int
    multiplier: Decimal | float | str
    perks: NotRequired[list[str]]
