"""Expiry settings: the last day of points, and what a change of the setting does to existing points.

docs/rules/expiry.md. The settings in force form a list of epochs per store (`Epoch`), which the versions of
the store's programs imply. An account notes the epoch that its dates follow and catches up with later
ones when it is touched (services/earning/domain/cycles.py), so a change of a program writes no account.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct
from msgspec.structs import force_setattr

from libs.contracts.lifecycle import DEFAULT_RETURNED_DAYS, Expiry
from services.earning.domain.dates import (
    EARLIEST,
    NEVER,
    Day,
    add_months,
    day_of,
    end_of_unit,
    next_yearly,
    start_of,
)


@lru_cache(maxsize=4_096)
def last_day(expiry: Expiry | None, available: Day) -> Day:
    """The last day of points that become available on the local day `available`; NEVER while no setting
    is in force. Under `inactivity` this is the earliest last day: activity only moves it."""
    if expiry is None:
        return NEVER
    if expiry.kind == "yearly":
        assert expiry.dates is not UNSET
        return next_yearly(expiry.dates, available + (expiry.at_least_days or 0))
    end = (
        available + expiry.days
        if expiry.days is not UNSET
        else add_months(available, expiry.months or 0)
    )
    return end if expiry.round is UNSET else end_of_unit(end, expiry.round)


def returned_days(expiry: Expiry | None) -> int:
    """How many days points live on that return after their date; the default without a setting, since
    points may have dates of their own."""
    if expiry is None or expiry.returned_days is UNSET:
        return DEFAULT_RETURNED_DAYS
    return expiry.returned_days


class Epoch(Struct, frozen=True, kw_only=True):
    """A span in which nothing changed that the dates and reminders of a store depend on.

    `at` is the instant at which the epoch began, and `since` its local day. `expiry` and `remind_days` are
    those of the default program, and so is `zone` (the last one in force while there is no default
    program). `is_active` is False while the store has no active program: then `expiry` is None, nothing
    expires, and no reminders are sent.
    """

    at: datetime
    since: Day
    zone: ZoneInfo
    expiry: Expiry | None = None
    remind_days: tuple[int, ...] = ()
    is_active: bool = True
    # Derived: whether all points expire together, by inactivity.
    by_inactivity: bool = False

    def __post_init__(self) -> None:
        by_inactivity = self.expiry is not None and self.expiry.kind == "inactivity"
        force_setattr(self, "by_inactivity", by_inactivity)

    def day(self, instant: datetime) -> Day:
        """The local day of an instant."""
        return day_of(instant, self.zone)

    def last_day(self, available: Day) -> Day:
        """The last day of points that follow the setting and become available on `available`."""
        return last_day(self.expiry, available)

    @property
    def returned_days(self) -> int:
        """How many days points live on that return after their date."""
        return returned_days(self.expiry)

    def is_same(self, other: "Epoch") -> bool:
        """Whether both have the same settings."""
        return (
            self.zone.key == other.zone.key
            and self.expiry == other.expiry
            and self.remind_days == other.remind_days
            and self.is_active == other.is_active
        )


def list_epochs(epochs: Iterable[Epoch], *, utc: ZoneInfo) -> tuple[Epoch, ...]:
    """The epochs of a store in their order, each the place by which accounts refer to it: the first one
    without a setting, in `utc`, and then those of `epochs` that changed something. `epochs` are in the
    order of their instants."""
    listed = [Epoch(at=datetime.min.replace(tzinfo=UTC), since=EARLIEST, zone=utc, is_active=False)]
    for epoch in epochs:
        if not epoch.is_same(listed[-1]):
            listed.append(epoch)
    return tuple(listed)


def moves_dates(before: Expiry | None, after: Expiry | None) -> bool:
    """Whether a change of the setting moves the dates of existing points: the kind changes, also from or
    to no setting, or the period of `inactivity` does."""
    if before is None or after is None:
        return before is not after
    if before.kind != after.kind:
        return True
    return before.kind == "inactivity" and _period(before) != _period(after)


def _period(expiry: Expiry) -> tuple[object, object]:
    return expiry.months, expiry.days


def wake_at(previous: Epoch, epoch: Epoch) -> datetime | None:
    """When the sweeper has to visit all accounts of a store because of the change to `epoch`: before that
    instant nothing is due earlier than the accounts' `due_at` says. None if the change moves nothing to an
    earlier instant."""
    if not epoch.is_active:
        return None
    if not previous.is_active or previous.zone.key != epoch.zone.key:
        return epoch.at
    tomorrow = epoch.since + 1
    days = []
    if previous.expiry is None and epoch.expiry is not None:
        first = epoch.last_day(epoch.since)
        days += [first + 1, *(max(first - days_left, tomorrow) for days_left in epoch.remind_days)]
    if not set(epoch.remind_days) <= set(previous.remind_days):
        days.append(tomorrow)
    return start_of(min(days), epoch.zone) if days else None
