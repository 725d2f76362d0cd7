"""The bounds of the settings that decide when points expire and how long they wait.

Source of the bounds: the API's documentation, "Bounds".
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import UNSET, UnsetType

from libs.contracts import lifecycle
from libs.contracts.lifecycle import Expiry, ExpiryKind, Pending
from libs.kernel.wording import REQUIRED
from libs.kernel.zones import find_zone
from libs.web.body import Faults
from libs.web.checks import whole

_PERIOD: Final = ("months", "days")
_WITH_PERIOD: Final = ("after", "inactivity")
# The fields that each kind may have.
_FIELDS: Final[dict[ExpiryKind, tuple[str, ...]]] = {
    "after": (*_PERIOD, "round", "returned_days"),
    "yearly": ("dates", "at_least_days", "returned_days"),
    "inactivity": (*_PERIOD, "returned_days"),
}
_NO_PERIOD: Final = "is required, unless {other} is set"
_TWO_PERIODS: Final = "must not be set together with {other}"
_NO_WAIT: Final = "must be 1 or more; 0 only if `from` is fulfilled"

_YEARLY: Final = re.compile(r"(\d\d)-(\d\d)", re.ASCII)
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def time_zone(name: str | UnsetType | None, faults: Faults) -> None:
    """The zone of a program; unset or null for UTC."""
    if name and find_zone(name) is None:
        faults.at("#/time_zone", "must be the IANA name of a time zone, such as Europe/Berlin")
    elif name == "":
        faults.at("#/time_zone", "must not be empty; null for UTC")


def expiry(setting: Expiry | UnsetType | None, faults: Faults) -> None:
    """When points expire: the bounds, the fields that the kind needs, and those that it does not have."""
    if not setting:
        return
    # Of a kind that could not be read, any field may be right.
    fields = _FIELDS.get(setting.kind, tuple(_BOUNDS))
    for name, check in _BOUNDS.items():
        value = getattr(setting, name)
        if value is UNSET:
            continue
        if name in fields:
            check(value, faults, f"#/expiry/{name}")
        else:
            faults.at(f"#/expiry/{name}", f"must not be set when the kind is {setting.kind}")
    if setting.kind in _WITH_PERIOD and (setting.months is UNSET) == (setting.days is UNSET):
        rule = _NO_PERIOD if setting.months is UNSET else _TWO_PERIODS
        for name, other in (_PERIOD, reversed(_PERIOD)):
            faults.at(f"#/expiry/{name}", rule.format(other=other))
    if setting.kind == "yearly" and setting.dates is UNSET:
        faults.at("#/expiry/dates", REQUIRED)


def _range(low: int, high: int) -> Callable[[int, Faults, str], None]:
    return lambda value, faults, at: whole(value, faults, at=at, low=low, high=high)


def _round(_unit: str, _faults: Faults, _at: str) -> None:
    """The schema lists the units."""


def _yearly_dates(dates: Sequence[str], faults: Faults, at: str) -> None:
    if not 1 <= len(dates) <= lifecycle.MAX_YEARLY_DATES:
        faults.at(at, f"must have 1 to {lifecycle.MAX_YEARLY_DATES} dates")
        return
    counts = Counter(dates)
    for place, text in enumerate(dates):
        if not _is_yearly_date(text):
            faults.at(f"{at}/{place}", "must be a month and a day, as in 12-31")
        elif counts[text] > 1:
            faults.at(f"{at}/{place}", "must not be repeated")


def _is_yearly_date(text: str) -> bool:
    match = _YEARLY.fullmatch(text)
    if match is None:
        return False
    month, day = map(int, match.groups())
    return 1 <= month <= 12 and 1 <= day <= _LONGEST_MONTHS[month - 1]


def remind_days(days: Sequence[int] | UnsetType | None, faults: Faults) -> None:
    """How many days before the last day customers are reminded."""
    if days is UNSET or days is None:
        return
    if not 1 <= len(days) <= lifecycle.MAX_REMINDERS:
        faults.at("#/remind_days", f"must have 1 to {lifecycle.MAX_REMINDERS} numbers of days")
        return
    counts = Counter(days)
    for place, value in enumerate(days):
        at = f"#/remind_days/{place}"
        if counts[value] > 1:
            faults.at(at, "must not be repeated")
        whole(value, faults, at=at, low=1, high=lifecycle.MAX_REMIND_DAYS)


def pending(setting: Pending | UnsetType | None, faults: Faults) -> None:
    """How long the points of an order wait. Without a fulfillment to wait for, 0 days are no setting."""
    if not setting:
        return
    lowest = 0 if setting.from_ == "fulfilled" else 1
    highest = lifecycle.MAX_PENDING_DAYS
    if setting.days == 0 < lowest:
        faults.at("#/pending/days", _NO_WAIT)
    else:
        whole(setting.days, faults, at="#/pending/days", low=lowest, high=highest)
    if setting.give_up_days is not UNSET:
        highest = lifecycle.MAX_GIVE_UP_DAYS
        whole(setting.give_up_days, faults, at="#/pending/give_up_days", low=1, high=highest)


_BOUNDS: Final[dict[str, Callable[[Any, Faults, str], None]]] = {
    "months": _range(1, lifecycle.MAX_MONTHS),
    "days": _range(1, lifecycle.MAX_DAYS),
    "round": _round,
    "dates": _yearly_dates,
    "at_least_days": _range(0, lifecycle.MAX_AT_LEAST_DAYS),
    "returned_days": _range(0, lifecycle.MAX_RETURNED_DAYS),
}
