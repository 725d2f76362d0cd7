"""Baselines: what is normal for a customer or a store before an earning."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from services.anomaly.domain.earnings import Earning


class Baseline(Struct, frozen=True):
    """The median points of `size` earnings."""

    median: Decimal
    size: int


class CustomerBaseline:
    """What is normal for a customer at the point that the judgment has reached: the earnings so far
    that are not suspicious. A flagged earning leaves the baseline when it is flagged, not before.

    `store_baselines` holds the store's baseline before an earning, by the earning's id. Earnings
    whose baseline is requested and not there are collected in `missing`; `suspicious` holds the ids of
    those that were excluded.
    """

    def __init__(self, store_baselines: Mapping[str, Baseline]) -> None:
        self.missing: list[Earning] = []
        self.suspicious: set[str] = set()
        self._store_baselines = store_baselines
        self._amounts: list[int] = []
        self._days: dict[int, int] = {}
        self._today = -1
        self._before_today: list[int] = []
        self._included: set[str] = set()

    def add(self, earning: Earning) -> None:
        """Include the earning that was just judged; earnings are added by position."""
        if earning.excluded or earning.id in self.suspicious:
            return
        self._move_to(earning.day)
        self._included.add(earning.id)
        insort(self._amounts, earning.points)
        self._days[earning.day] = self._days.get(earning.day, 0) + earning.points

    def exclude(self, earnings: Iterable[Earning]) -> None:
        """Leave suspicious earnings out from now on, also those included earlier."""
        for earning in earnings:
            self.suspicious.add(earning.id)
            if earning.id in self._included:
                self._included.discard(earning.id)
                _remove(self._amounts, earning.points)
                self._subtract_from_day(earning)

    def amounts(self) -> Sequence[int]:
        """The points of each earning, ascending."""
        return self._amounts

    def days_before(self, day: int) -> Sequence[int]:
        """The points of each day with earnings before `day`, ascending. `day` never goes back."""
        self._move_to(day)
        return self._before_today

    def store_baseline(self, earning: Earning) -> Baseline | None:
        """The store's baseline before the earning; None where it has to be looked up first."""
        baseline = self._store_baselines.get(earning.id)
        if baseline is None:
            self.missing.append(earning)
        return baseline

    def _move_to(self, day: int) -> None:
        if day != self._today:
            if self._today in self._days:
                insort(self._before_today, self._days[self._today])
            self._today = day

    def _subtract_from_day(self, earning: Earning) -> None:
        before = self._days.pop(earning.day)
        after = before - earning.points
        if after:
            self._days[earning.day] = after
        if earning.day != self._today:
            _remove(self._before_today, before)
            if after:
                insort(self._before_today, after)


def _remove(ordered: list[int], value: int) -> None:
    del ordered[bisect_left(ordered, value)]


def median(ordered: Sequence[int]) -> Decimal:
    """The exact median of ascending numbers: with an even count, the mean of the middle two."""
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return Decimal(ordered[middle])
    return Decimal(ordered[middle - 1] + ordered[middle]) / 2
