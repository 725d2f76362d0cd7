"""Lots: the points of an account by their last day.

A lot is a `Part`: points with one last day (NEVER: none), of the setting or with a date of their own. Lots
are a sorted list with one part per day and owner, and its order is the order in which debits draw:
earliest day first, of a day the setting's points before those with a date of their own, dateless last.

    Σ lots = max(balance, 0)

The functions here change such a list. Everything about time is in services/earning/domain/cycles.py.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import date
from typing import NamedTuple


class Part(NamedTuple):
    """Points with one last day; `own` if the day does not follow the setting of the program."""

    day: date
    own: bool
    points: int


def add(lots: list[Part], part: Part) -> None:
    """Add points to their lot; none if there are none."""
    day, own, points = part
    if points <= 0:
        return
    # (day, own) sorts before the part of that day and owner, since a shorter tuple does.
    at = bisect_left(lots, (day, own))
    if at < len(lots) and lots[at][:2] == (day, own):
        lots[at] = Part(day, own, lots[at].points + points)
    else:
        lots.insert(at, part)


def credit(lots: list[Part], parts: Iterable[Part], *, debt: int) -> tuple[Part, ...]:
    """Add a credit and return what of it became lots. It first pays `debt`, the points that the balance
    is below zero, with its earliest part."""
    added = []
    for day, own, points in sorted(parts):
        paid = min(points, debt)
        debt -= paid
        if points > paid:
            part = Part(day, own, points - paid)
            add(lots, part)
            added.append(part)
    return tuple(added)


def draw(lots: list[Part], points: int) -> tuple[Part, ...]:
    """Take up to `points`, earliest first; returns what was drawn. The rest has no lot to come from."""
    drawn: list[Part] = []
    while points > 0 and lots:
        day, own, available = lots[0]
        if available > points:
            lots[0] = Part(day, own, available - points)
            drawn.append(Part(day, own, points))
            break
        drawn.append(lots.pop(0))
        points -= available
    return tuple(drawn)


def draw_own(lots: list[Part], points: int, *, day: date, own: bool) -> tuple[Part, ...]:
    """Take up to `points` from the lot of that day and owner first, then from the other lot of the day,
    then earliest first."""
    drawn: list[Part] = []
    for owner in (own, not own):
        at = bisect_left(lots, (day, owner))
        if points > 0 and at < len(lots) and lots[at][:2] == (day, owner):
            part = lots.pop(at)
            used = min(part.points, points)
            points -= used
            drawn.append(Part(day, owner, used))
            add(lots, Part(day, owner, part.points - used))
    drawn += draw(lots, points)
    return merge(drawn)


def remove(lots: list[Part], is_over: Callable[[Part], bool]) -> list[Part]:
    """Remove and return the lots for which `is_over`."""
    removed = [part for part in lots if is_over(part)]
    if removed:
        lots[:] = [part for part in lots if not is_over(part)]
    return removed


def move(lots: list[Part], target: Callable[[Part], date]) -> None:
    """Give each lot the day that `target` returns; lots that meet become one."""
    lots[:] = merge(Part(target(part), part.own, part.points) for part in lots)


def merge(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts in their order, one per day and owner, without empty ones."""
    merged: list[Part] = []
    for part in parts:
        add(merged, part)
    return tuple(merged)


def total(lots: Iterable[Part]) -> int:
    return sum(part.points for part in lots)


def by_day(parts: Iterable[Part]) -> dict[date, int]:
    """The points of each day, in order: what callers see as one lot."""
    days: dict[date, int] = {}
    for day, _own, points in sorted(parts):
        days[day] = days.get(day, 0) + points
    return days
