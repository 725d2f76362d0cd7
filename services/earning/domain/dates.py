"""Dates of a store: the local day of an instant, the instant at which a day ends, and periods.

Periods are counted in local days and months and stored as dates. Only instants depend on a zone's rules,
so they are computed from the date whenever they are needed. docs/rules/expiry.md.

A date is a `Day`, the number of days since 1970-01-01: an account has hundreds of them.
"""

from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

Unit = Literal["day", "month", "quarter", "year"]
Day = int

# Later and earlier than every date of a point; NEVER is the day of points that never expire.
NEVER: Final = 1_000_000
EARLIEST: Final = -1_000_000

_DAY_ZERO: Final = date(1970, 1, 1).toordinal()
_SECOND: Final = timedelta(seconds=1)
_ONE_DAY: Final = timedelta(days=1)
# Of each zone a day, with its start and end. Most instants are of the same day as the one before: to see that
# costs a fifth of computing the day.
_latest_spans: Final[dict[ZoneInfo, tuple[datetime, datetime, Day]]] = {}
_NO_SPAN: Final = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), EARLIEST
_MONTHS: Final[dict[Unit, int]] = {"month": 1, "quarter": 3, "year": 12}


def to_day(value: date) -> Day:
    return value.toordinal() - _DAY_ZERO


def to_date(day: Day) -> date:
    """The calendar date of a day that is neither NEVER nor EARLIEST."""
    return date.fromordinal(day + _DAY_ZERO)


def day_of(instant: datetime, zone: ZoneInfo) -> Day:
    """The local day of an instant."""
    start, end, day = _latest_spans.get(zone, _NO_SPAN)
    if start <= instant < end:
        return day
    day = _convert(instant, zone)
    start, end = start_of(day, zone), end_of(day, zone)
    # On a longer day the clocks are put back, and may show a part of the day before again.
    _latest_spans[zone] = (start, end, day) if end - start <= _ONE_DAY else _NO_SPAN
    return day


def _convert(instant: datetime, zone: ZoneInfo) -> Day:
    return instant.astimezone(zone).toordinal() - _DAY_ZERO


@lru_cache(maxsize=16_384)
def end_of(day: Day, zone: ZoneInfo) -> datetime:
    """The end of a local day, in UTC: the first instant whose local date is later.

    Most days end at midnight. Where that midnight does not exist, the clocks are put forward over it, and
    the day ends when they are. Where it exists twice, the day ends at the first one.
    """
    midnight = datetime.combine(to_date(day + 1), time(), zone)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # The clocks are put forward between these two instants: `early` has the offset after it.
    early, late = midnight.replace(fold=1).astimezone(UTC), instant
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if _convert(middle, zone) > day:
            late = middle
        else:
            early = middle
    return late


def start_of(day: Day, zone: ZoneInfo) -> datetime:
    """The start of a local day, in UTC: the end of the day before."""
    return end_of(day - 1, zone)


def add_months(day: Day, months: int) -> Day:
    """The same day of the month `months` later, or the last day of that month."""
    value = to_date(day)
    month = value.year * 12 + value.month - 1 + months
    return _day_in_month(month // 12, month % 12 + 1, value.day)


def end_of_unit(day: Day, unit: Unit) -> Day:
    """The last day of the month, quarter or year of `day`; of a day, itself."""
    if unit == "day":
        return day
    value, months = to_date(day), _MONTHS[unit]
    return _day_in_month(value.year, (value.month - 1) // months * months + months, 31)


def next_yearly(dates: Iterable[str], day: Day) -> Day:
    """The first of the yearly `dates`, each written as `12-31`, on or after `day`. `02-29` is 02-28 in
    common years. There is at least one date."""
    parts = [tuple(map(int, text.split("-"))) for text in dates]
    year = to_date(day).year
    days = [_day_in_month(y, month, number) for y in (year, year + 1) for month, number in parts]
    return min(candidate for candidate in days if candidate >= day)


def _day_in_month(year: int, month: int, number: int) -> Day:
    """The day of that number, or the last day of the month."""
    return to_day(date(year, month, min(number, monthrange(year, month)[1])))
