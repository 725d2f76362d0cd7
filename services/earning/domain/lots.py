"""Lots: the points of an account by their last day.

A lot is points with one last day (NEVER: none) that follow the setting of the program, or that have a date
of their own. There is one per day and owner, and their order is the order in which debits draw:
earliest day first, of a day the setting's points before those with a date of their own, dateless last.

    Σ lots = max(balance, 0)

Everything about time is in services/earning/domain/cycles.py.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, field

from services.earning.domain.dates import Day


class Part(Struct, frozen=True, order=True, gc=False):
    """Points with one last day; `own` if the day does not follow the setting of the program."""

    day: Day
    own: bool
    points: int


class Lots(Struct, array_like=True, gc=False):
    """Two lists of equal length: `keys` ascends, and a key is twice the day, plus one for an own date.
    `points` are greater than 0."""

    keys: list[int] = field(default_factory=list)
    points: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[Part]:
        for key, points in zip(self.keys, self.points, strict=True):
            yield Part(key >> 1, bool(key & 1), points)

    @property
    def total(self) -> int:
        return sum(self.points)

    def add(self, part: Part) -> None:
        """Add points to their lot, which may be new; 0 points add none."""
        if part.points <= 0:
            return
        keys, key = self.keys, part.day * 2 + part.own
        if keys and keys[-1] == key:
            # Most credits are of the day of the one before.
            self.points[-1] += part.points
            return
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            self.points[at] += part.points
        else:
            keys.insert(at, key)
            self.points.insert(at, part.points)

    def credit(self, parts: Iterable[Part], *, debt: int) -> tuple[Part, ...]:
        """Add a credit, whose parts are in order, and return what of it became lots. It first pays `debt`,
        the points that the balance is below zero, with its earliest part."""
        added = []
        for part in parts:
            paid = min(part.points, debt)
            debt -= paid
            if part.points > paid:
                added.append(Part(part.day, part.own, part.points - paid))
                self.add(added[-1])
        return tuple(added)

    def draw(self, points: int) -> tuple[Part, ...]:
        """Take up to `points`, earliest first; returns what was drawn. The rest has no lot to come from."""
        drawn = []
        while points > 0 and self.keys:
            drawn.append(self._take(0, points))
            points -= drawn[-1].points
        return tuple(drawn)

    def draw_own(self, points: int, *, day: Day, own: bool) -> tuple[Part, ...]:
        """Take up to `points` from the lot of that day and owner first, then from the other lot of the day,
        then earliest first."""
        drawn = []
        for key in (day * 2 + own, day * 2 + (not own)):
            at = bisect_left(self.keys, key)
            if points > 0 and at < len(self.keys) and self.keys[at] == key:
                drawn.append(self._take(at, points))
                points -= drawn[-1].points
        return merge((*drawn, *self.draw(points)))

    def _take(self, at: int, points: int) -> Part:
        """Take up to `points` from the lot at that place."""
        key, available = self.keys[at], self.points[at]
        if available > points:
            self.points[at] -= points
            return Part(key >> 1, bool(key & 1), points)
        del self.keys[at], self.points[at]
        return Part(key >> 1, bool(key & 1), available)

    def remove(self, is_over: Callable[[Part], bool]) -> tuple[Part, ...]:
        """Remove and return the lots for which `is_over`."""
        removed: list[Part] = []
        remaining: list[Part] = []
        for part in self:
            (removed if is_over(part) else remaining).append(part)
        lots = lots_of(remaining)
        self.keys, self.points = lots.keys, lots.points
        return tuple(removed)

    def move(self, target: Callable[[Part], Day]) -> None:
        """Give each lot the day that `target` returns; lots that meet become one."""
        self._replace([Part(target(part), part.own, part.points) for part in self])

    def _replace(self, parts: Iterable[Part]) -> None:
        lots = Lots()
        for part in parts:
            lots.add(part)
        self.keys, self.points = lots.keys, lots.points


def lots_of(parts: Iterable[Part]) -> Lots:
    """The lots of parts that are in order, one per day and owner."""
    keys, points = [], []
    for part in parts:
        keys.append(part.day * 2 + part.own)
        points.append(part.points)
    return Lots(keys, points)


def merge(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts in order, one per day and owner, without empty ones."""
    lots = Lots()
    for part in parts:
        lots.add(part)
    return tuple(lots)


def total(parts: Iterable[Part]) -> int:
    return sum(part.points for part in parts)


def by_day(parts: Iterable[Part]) -> dict[Day, int]:
    """The points of each day, in order: what callers see as one lot."""
    days: dict[Day, int] = {}
    for part in sorted(parts):
        days[part.day] = days.get(part.day, 0) + part.points
    return days
