"""Requests and responses of /v1 about programs."""

from decimal import Decimal

from msgspec import UNSET, UnsetType, field

from libs.contracts.api import Request, Response, SettingWarning
from libs.contracts.lifecycle import ExistingDates, Expiry, Pending, PendingFrom
from libs.contracts.numbers import Exact


class Tier(Response, frozen=True, kw_only=True):
    """A tier of a program, held from `min_points` lifetime points; `multiplier` scales awards."""

    name: str
    min_points: int
    multiplier: Decimal
    perks: list[str] | UnsetType = UNSET


class Program(Response, frozen=True, kw_only=True):
    """A loyalty program; `points_per_dollar` is points per unit of `currency`. The default program, the
    oldest active one, prices orders that name no program, and gives customers their tiers. `warnings` are
    in the response to a change only. Every change increases `version`, which starts at 1. With `keep_items`,
    the lines of its orders are kept. `time_zone` (an IANA name; UTC if unset) is the one whose days `expiry`,
    `remind_days` and `pending` count in."""

    id: str
    name: str
    points_per_dollar: Decimal
    tiers: list[Tier]
    is_active: bool
    created_at: str
    currency: str
    is_default: bool
    warnings: list[SettingWarning] | UnsetType = UNSET
    version: int
    keep_items: bool
    time_zone: str | UnsetType = UNSET
    expiry: Expiry | UnsetType = UNSET
    remind_days: list[int] | UnsetType = UNSET
    pending: Pending | UnsetType = UNSET


class ProgramVersion(Response, frozen=True, kw_only=True):
    """A program as it was from `changed_at` until its next version. `changed_by` is the name of the key that
    made the change; it is not known of versions from before it was recorded."""

    id: str
    name: str
    points_per_dollar: Decimal
    tiers: list[Tier]
    is_active: bool
    created_at: str
    currency: str
    version: int
    changed_by: str | UnsetType = UNSET
    changed_at: str
    keep_items: bool
    time_zone: str | UnsetType = UNSET
    expiry: Expiry | UnsetType = UNSET
    remind_days: list[int] | UnsetType = UNSET
    pending: Pending | UnsetType = UNSET


class TierPreview(Response, frozen=True, kw_only=True):
    """What a change of a program means for a tier: the points of an order of `order_total`, left out where
    the program does not have the tier or is not active, and the number of customers."""

    name: str
    points_before: int | UnsetType = UNSET
    points_after: int | UnsetType = UNSET
    customers_before: int
    customers_after: int


class NoTierPreview(Response, frozen=True, kw_only=True):
    """The same for customers without a tier."""

    points_before: int | UnsetType = UNSET
    points_after: int | UnsetType = UNSET
    customers_before: int
    customers_after: int


class ExpirationPreview(Response, frozen=True, kw_only=True):
    """Points that become available on the day `available_on` can be spent until the end of `expires_on`;
    customers are reminded when the days of `reminders_on` begin."""

    available_on: str
    expires_on: str
    reminders_on: list[str]


class OrderPreview(Response, frozen=True, kw_only=True):
    """The points of an order that is completed on `completed_on` become available on `available_on`, and
    `expires_on` is their last day. With `waits_for`, this order is fulfilled on the same day; one that is not
    fulfilled by the end of `gives_up_on` gives no points."""

    completed_on: str
    available_on: str
    waits_for: PendingFrom | UnsetType = UNSET
    gives_up_on: str | UnsetType = UNSET
    expires_on: str | UnsetType = UNSET


class DatesPreview(Response, frozen=True, kw_only=True):
    """What would expire when, by the clock and the default program of the store, in the days of
    `time_zone`, which is left out without an active program. `expirations` are examples, today's first; further
    ones are the next days from which on the last day is another one. `order` is one of today that this program
    prices, left out if points do not wait. `existing` is what becomes of the dates of existing points, left out
    if the change does not concern them: they are `kept`; or `extended`, so that no points expire earlier than
    if they had been earned today; or `paused`, so that only dates of their own expire."""

    time_zone: str | UnsetType = UNSET
    expirations: list[ExpirationPreview]
    order: OrderPreview | UnsetType = UNSET
    existing: ExistingDates | UnsetType = UNSET


class ProgramPreview(Response, frozen=True, kw_only=True):
    """What a change of a program, or a new one, would mean. `tiers` are those of the program before or after the
    change, by min_points. `moves_up` and `moves_down` are the numbers of customers who would get a higher or a
    lower tier of this program; a new one has customers if it would be the default. `dates` is left out where
    nothing expires or waits."""

    order_total: str
    tiers: list[TierPreview]
    moves_up: int
    moves_down: int
    without_tier: NoTierPreview
    dates: DatesPreview | UnsetType = UNSET


class TierInput(Request, frozen=True, kw_only=True):
    name: str
    min_points: int
    multiplier: Exact
    perks: list[str] | None = None


class ProgramCreate(Request, frozen=True, kw_only=True):
    name: str
    points_per_dollar: Exact
    tiers: list[TierInput] = field(default_factory=list)
    is_active: bool = True
    currency: str = "USD"
    keep_items: bool = False
    time_zone: str | UnsetType | None = UNSET
    expiry: Expiry | UnsetType | None = UNSET
    remind_days: list[int] | UnsetType | None = UNSET
    pending: Pending | UnsetType | None = UNSET


class ProgramPatch(Request, frozen=True, kw_only=True):
    """Omitted fields are not changed; `expiry`, `remind_days` and `pending` are replaced whole, and null
    removes an optional field. With `version`, the change is refused if the program has another version by
    now."""

    name: str | UnsetType = UNSET
    points_per_dollar: Exact | UnsetType = UNSET
    tiers: list[TierInput] | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    keep_items: bool | UnsetType = UNSET
    version: int | UnsetType = UNSET
    time_zone: str | UnsetType | None = UNSET
    expiry: Expiry | UnsetType | None = UNSET
    remind_days: list[int] | UnsetType | None = UNSET
    pending: Pending | UnsetType | None = UNSET
