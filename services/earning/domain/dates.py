"""Dates of a store: the local day of an instant, the instant at which a day ends, and periods.

Periods are counted in local days and months and stored as dates. Only instants depend on a zone's rules,
so they are computed from the date whenever they are needed. docs/rules/expiry.md.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

Unit = Literal["day", "month", "quarter", "year"]

# Later than every date of a point: the day of points that never expire.
NEVER: Final = date.max
# Earlier than every date of a point.
EARLIEST: Final = date.min

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_MONTHS: Final[dict[Unit, int]] = {"month": 1, "quarter": 3, "year": 12}


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The local day of an instant."""
    return instant.astimezone(zone).date()


@lru_cache(maxsize=16_384)
def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The end of a local day, in UTC: the first instant whose local date is later.

    Most days end at midnight. Where that midnight does not exist, the clocks are put forward over it, and
    the day ends when they are. Where it exists twice, the day ends at the first one.
    """
    midnight = datetime.combine(day + _DAY, time(), zone)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # The clocks are put forward between these two instants: `early` has the offset after it.
    early, late = midnight.replace(fold=1).astimezone(UTC), instant
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if day_of(middle, zone) > day:
            late = middle
        else:
            early = middle
    return late


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The start of a local day, in UTC: the end of the day before."""
    return end_of(day - _DAY, zone)


def add_days(day: date, days: int) -> date:
    return day + timedelta(days=days)


def add_months(day: date, months: int) -> date:
    """The same day of the month `months` later, or the last day of that month."""
    month = day.year * 12 + day.month - 1 + months
    year, month = month // 12, month % 12 + 1
    return date(year, month, min(day.day, _last_of_month(year, month).day))


def end_of_unit(day: date, unit: Unit) -> date:
    """The last day of the month, quarter or year of `day`; of a day, itself."""
    if unit == "day":
        return day
    months = _MONTHS[unit]
    return _last_of_month(day.year, (day.month - 1) // months * months + months)


def next_yearly(dates: Iterable[str], day: date) -> date:
    """The first of the yearly `dates`, each written as `12-31`, on or after `day`. `02-29` is 02-28 in
    common years. There is at least one date."""
    parts = [tuple(map(int, text.split("-"))) for text in dates]
    return min(
        candidate
        for year in (day.year, day.year + 1)
        for month, number in parts
        if (candidate := _yearly(year, month, number)) >= day
    )


def _yearly(year: int, month: int, number: int) -> date:
    return date(year, month, min(number, _last_of_month(year, month).day))


def _last_of_month(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1) - _DAY
