"""What detectors look at, and what they find."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from msgspec import Struct

from libs.contracts.anomalies import AnomalyType

MS_A_SECOND: Final = 1_000
MS_A_MINUTE: Final = 60_000
MS_A_DAY: Final = 86_400_000


class Award(Struct, frozen=True):
    """An earning; `at` is its event time in milliseconds since 1970, UTC.

    `excluded` stays out of every baseline, whatever is found. `settled_for` names the detectors it
    no longer counts for, since people have judged an anomaly it was part of.
    """

    id: str
    points: int
    at: int
    excluded: bool = False
    settled_for: frozenset[AnomalyType] = frozenset()

    @property
    def order(self) -> tuple[int, str]:
        """By event time, and for equal times by id: the same whatever the order of arrival."""
        return self.at, self.id

    @property
    def day(self) -> int:
        """The UTC day, counted from 1970."""
        return self.at // MS_A_DAY


class Baseline(Struct, frozen=True):
    """The median points of `size` earnings."""

    median: Decimal
    size: int


class Finding(Struct, frozen=True, kw_only=True):
    """Suspicious earnings of one customer, in their order; `evidence` are the numbers it was judged
    by."""

    type: AnomalyType
    awards: tuple[Award, ...]
    description: str
    evidence: dict[str, Any]

    @property
    def points(self) -> int:
        return sum(award.points for award in self.awards)


class Past:
    """What is normal for a customer, at the point that judging has come to: the earnings before it
    that are not suspicious. What is flagged is taken out, and only from then on.

    `store_before` answers the store's baseline before an earning, or None where it is not known
    yet: such earnings are gathered in `asked`, for the caller to look them up and judge again.
    """

    def __init__(self, store_before: Callable[[Award], Baseline | None]) -> None:
        self.asked: list[Award] = []
        self._store_before = store_before
        self._amounts: list[int] = []
        self._days: dict[int, int] = {}
        self._today = -1
        self._before_today: list[int] = []
        self._normal: set[str] = set()
        self._suspicious: set[str] = set()

    def add(self, award: Award) -> None:
        """The earning that was judged last; earnings are added in their order."""
        if award.excluded or award.id in self._suspicious:
            return
        self._turn_to(award.day)
        self._normal.add(award.id)
        insort(self._amounts, award.points)
        self._days[award.day] = self._days.get(award.day, 0) + award.points

    def take_out(self, awards: Iterable[Award]) -> None:
        """These are suspicious, also where they were normal until now."""
        for award in awards:
            self._suspicious.add(award.id)
            if award.id in self._normal:
                self._normal.discard(award.id)
                _remove(self._amounts, award.points)
                self._take_from_day(award)

    def amounts(self) -> Sequence[int]:
        """The points of the normal earnings, ascending."""
        return self._amounts

    def days_before(self, day: int) -> Sequence[int]:
        """The points of the days with normal earnings before `day`, the latest so far, ascending."""
        self._turn_to(day)
        return self._before_today

    def store_before(self, award: Award) -> Baseline | None:
        """The store's baseline before the earning, or None until it is looked up."""
        baseline = self._store_before(award)
        if baseline is None:
            self.asked.append(award)
        return baseline

    def _turn_to(self, day: int) -> None:
        if day != self._today:
            if self._today in self._days:
                insort(self._before_today, self._days[self._today])
            self._today = day

    def _take_from_day(self, award: Award) -> None:
        before = self._days.pop(award.day)
        left = before - award.points
        if left:
            self._days[award.day] = left
        if award.day != self._today:
            _remove(self._before_today, before)
            if left:
                insort(self._before_today, left)


def _remove(ordered: list[int], value: int) -> None:
    del ordered[bisect_left(ordered, value)]


class Detector(Protocol):
    """Judges one customer's earnings; made anew, of its settings, for each customer."""

    def judge(self, award: Award, past: Past) -> Sequence[Award]:
        """Take the next earning in their order; answers which are suspicious since, itself and
        earlier ones. `past` is what was normal before it."""

    def findings(self) -> Iterator[Finding]:
        """All that was found, each whole."""


def in_order(awards: Iterable[Award]) -> list[Award]:
    """By event time, each once."""
    return sorted({award.id: award for award in awards}.values(), key=lambda one: one.order)


def median(ordered: Sequence[int]) -> Decimal:
    """The middle of ascending numbers, or the mean of the two in the middle, exactly."""
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return Decimal(ordered[middle])
    return Decimal(ordered[middle - 1] + ordered[middle]) / 2


def as_number(value: Decimal) -> int | float:
    """A decimal as evidence shows it."""
    return int(value) if value == value.to_integral_value() else round(float(value), 2)
