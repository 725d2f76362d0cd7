"""What a change of a program would mean in dates: examples by the rules of expiry and pending points.

They are examples of what would really happen in the store: expiry, reminders and the time zone are those of
its default program, which may be another one.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from libs.contracts.lifecycle import ExistingDates, Expiry, Pending
from services.earning.domain.dates import Day, day_of
from services.earning.domain.expiry import last_day, moves_dates
from services.earning.domain.pending import open_window
from services.earning.domain.programs import Program, StorePrograms
from services.earning.domain.timelines import zone_of

# How many examples show a rule by which many days have one last day.
_EXAMPLES: Final = 3
# No rule has one last day for the points of more days: a yearly date in a leap year.
_LONGEST: Final = 367


class ExpirationPreview(Struct, frozen=True):
    """The last day of points that become available on a day, and the days that begin with a reminder of it."""

    available_on: Day
    expires_on: Day
    reminders_on: list[Day]


class OrderPreview(Struct, frozen=True, kw_only=True):
    """The points of an order completed on a day: available from `available_on`, with `expires_on` as their last
    day. Where they wait for a fulfillment, that of the example is on the same day, and `gives_up_on` is the last
    day that an order waits for it."""

    completed_on: Day
    available_on: Day
    gives_up_on: Day | None
    expires_on: Day | None


class DatesPreview(Struct, frozen=True):
    """Examples of what expires when, today's first; of an order whose points wait; and what a change of the
    expiry in force does to the dates of existing points. `time_zone` is the one of the days, None without an
    active program."""

    time_zone: str | None
    expirations: list[ExpirationPreview]
    order: OrderPreview | None
    existing: ExistingDates | None


def preview_dates(
    before: StorePrograms, after: StorePrograms, program: Program, now: datetime
) -> DatesPreview | None:
    """What it means in dates that the store has the programs `after` instead of `before`; `program` is the
    changed one, and `now` the time of the store's clock. None where nothing expires or waits."""
    expiry = _expiry(after)
    existing = _compare(_expiry(before), expiry)
    default = after.default
    if default is None:
        return None if existing is None else DatesPreview(None, [], None, existing)
    zone = zone_of(default.time_zone)
    expirations = list(_preview_expirations(expiry, default.remind_days or (), day_of(now, zone)))
    order = None
    if program.pending is not None and program.is_active:
        order = _preview_order(program.pending, expiry, now, zone)
    if not expirations and order is None and existing is None:
        return None
    return DatesPreview(zone.key, expirations, order, existing)


def _expiry(programs: StorePrograms) -> Expiry | None:
    """The setting in force in the store."""
    return None if programs.default is None else programs.default.expiry


def _preview_expirations(
    expiry: Expiry | None, remind_days: Sequence[int], today: Day
) -> Iterator[ExpirationPreview]:
    """The points of today, and those of the next days from which on the last day is another one. Where each
    day has a last day of its own, today's example says it all."""
    if expiry is None:
        return
    day = today
    for _ in range(_EXAMPLES if _is_shared(expiry) else 1):
        end = last_day(expiry, day)
        reminders = sorted(end - days_left for days_left in remind_days)
        # Points that become available later than a reminder's instant get the remaining ones.
        yield ExpirationPreview(day, end, [each for each in reminders if each > day])
        later = range(day, day + _LONGEST)
        day = later[bisect_right(later, end, key=partial(last_day, expiry))]


def _is_shared(expiry: Expiry) -> bool:
    """Whether the points of many days have one last day."""
    return expiry.kind == "yearly" or expiry.round in {"month", "quarter", "year"}


def _preview_order(
    pending: Pending, expiry: Expiry | None, now: datetime, zone: ZoneInfo
) -> OrderPreview:
    """An order that is completed and, if its points wait for that, fulfilled now."""
    window = open_window(pending, completed_at=now, fulfilled_at=now, zone=zone)
    available_at = window.available_at(zone)
    assert available_at is not None, "the order is fulfilled"
    available_on = day_of(available_at, zone)
    return OrderPreview(
        completed_on=day_of(now, zone),
        available_on=available_on,
        gives_up_on=open_window(pending, completed_at=now, zone=zone).give_up_on,
        expires_on=None if expiry is None else last_day(expiry, available_on),
    )


def _compare(before: Expiry | None, after: Expiry | None) -> ExistingDates | None:
    """What becomes of the dates of existing points; None if the setting does not change."""
    if before == after:
        return None
    if after is None:
        return "paused"
    return "extended" if moves_dates(before, after) else "kept"
