"""The settings of a program that decide when points expire and how long they wait.

A setting is stored and printed as it was sent: defaults are not filled in. `remind_days` and `time_zone`
are plain values.
"""

from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

MAX_DAYS: Final = 1_096
MAX_MONTHS: Final = 60
MAX_YEARLY_DATES: Final = 12
MAX_AT_LEAST_DAYS: Final = 366
MAX_RETURNED_DAYS: Final = 366
MAX_REMINDERS: Final = 5
MAX_REMIND_DAYS: Final = 365
MAX_PENDING_DAYS: Final = 366
MAX_GIVE_UP_DAYS: Final = 730

DEFAULT_RETURNED_DAYS: Final = 30
DEFAULT_GIVE_UP_DAYS: Final = 180
MAX_FORECAST_DAYS: Final = 366
DEFAULT_FORECAST_DAYS: Final = 90
DEFAULT_TIME_ZONE: Final = "UTC"

ExpiryKind = Literal["after", "yearly", "inactivity"]
Round = Literal["day", "month", "quarter", "year"]
PendingFrom = Literal["order", "fulfilled"]
# What a change of the expiry in force does to the dates of existing points.
ExistingDates = Literal["kept", "extended", "paused"]


class Expiry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """When points expire.

    `after`: `months` or `days` after the points became available, moved to the end of the unit `round`.
    `yearly`: on the first of `dates` (`12-31`) that is at least `at_least_days` later. `inactivity`: all
    together, `months` or `days` after the customer's latest earning or redemption. Points that return
    after their date had passed live for another `returned_days`.
    """

    kind: ExpiryKind
    months: int | UnsetType = UNSET
    days: int | UnsetType = UNSET
    round: Round | UnsetType = UNSET
    dates: tuple[str, ...] | UnsetType = UNSET
    at_least_days: int | UnsetType = UNSET
    returned_days: int | UnsetType = UNSET


class Pending(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"from_": "from"},
):
    """How long the points of an order wait: `days` local days after the order or, with `from`
    `fulfilled`, after its fulfillment; 0 days only with `fulfilled`. Points whose order is not fulfilled are
    given up `give_up_days` local days after the order."""

    days: int
    from_: PendingFrom | UnsetType = UNSET
    give_up_days: int | UnsetType = UNSET
