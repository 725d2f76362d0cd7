"""Days into buckets: by day, week, month or year, so that a chart has neither two bars nor a thousand."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final, Literal

from msgspec import Struct

Size = Literal["day", "week", "month", "year"]
Range = Literal["7d", "30d", "90d", "12mo", "all"]

RANGES: Final[Mapping[Range, int | None]] = {
    "7d": 7,
    "30d": 30,
    "90d": 90,
    "12mo": 365,
    "all": None,
}
DEFAULT_RANGE: Final[Range] = "30d"

_MOST_DAYS_BY_DAY: Final = 92
_MOST_DAYS_BY_WEEK: Final = 370
_MOST_DAYS_BY_MONTH: Final = 3_660
_DECEMBER: Final = 12
_WEEK: Final = 7


class Bucket(Struct, frozen=True):
    """The days from `first` to `last`, both included."""

    first: date
    last: date


def size_for(first: date, last: date) -> Size:
    """The size of the buckets for these days."""
    days = (last - first).days + 1
    if days <= _MOST_DAYS_BY_DAY:
        return "day"
    if days <= _MOST_DAYS_BY_WEEK:
        return "week"
    return "month" if days <= _MOST_DAYS_BY_MONTH else "year"


def buckets(first: date, last: date) -> list[Bucket]:
    """The days from `first` to `last`; the first and the last bucket may be shorter than the others."""
    return list(_split(first, last, size_for(first, last)))


def weeks(first: date, last: date) -> list[Bucket]:
    """The same in seven days each, the last one perhaps fewer."""
    days = range(0, (last - first).days + 1, _WEEK)
    starts = [first + timedelta(days=number) for number in days]
    return [Bucket(start, min(start + timedelta(days=_WEEK - 1), last)) for start in starts]


def _split(first: date, last: date, size: Size) -> Iterator[Bucket]:
    start = first
    while start <= last:
        end = min(_end(start, size), last)
        yield Bucket(start, end)
        start = end + timedelta(days=1)


def _end(start: date, size: Size) -> date:
    """The last day of the bucket that `start` is in."""
    match size:
        case "day":
            return start
        case "week":
            return start + timedelta(days=6 - start.weekday())
        case "month":
            following = date(start.year + start.month // _DECEMBER, start.month % _DECEMBER + 1, 1)
            return following - timedelta(days=1)
        case "year":
            return date(start.year, 12, 31)


def sums(parts: Sequence[Bucket], values: Mapping[date, int]) -> list[int]:
    """The sum of each bucket's days; a day without a value counts as 0."""
    totals = [0] * len(parts)
    for day, value in values.items():
        for number, part in enumerate(parts):
            if part.first <= day <= part.last:
                totals[number] += value
                break
    return totals


def ends(parts: Sequence[Bucket], values: Mapping[date, int], *, before: int) -> list[int]:
    """The value at the end of each bucket: that of the last day up to it that has one, else `before`."""
    days = sorted(values)
    result: list[int] = []
    current, number = before, 0
    for part in parts:
        while number < len(days) and days[number] <= part.last:
            current = values[days[number]]
            number += 1
        result.append(current)
    return result
