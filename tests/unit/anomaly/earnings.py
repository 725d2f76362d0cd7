"""Builders of a customer's earnings."""

from collections.abc import Iterable
from typing import Any

from services.anomaly.domain.earnings import MS_PER_DAY, MS_PER_SECOND, Earning

# 2026-03-10T12:00:00Z
NOON = 1_773_144_000_000


def earning(points: int = 500, *, second: float = 0, day: int = 0, **changes: object) -> Earning:
    """An earning `second` seconds after noon, `day` days later; its id is its time and points."""
    at = NOON + int(second * MS_PER_SECOND) + day * MS_PER_DAY
    plain: dict[str, Any] = {"id": f"{at}-{points}", "points": points, "at": at}
    return Earning(**(plain | changes))


def every(seconds: float, count: int, points: int = 500) -> list[Earning]:
    """`count` earnings, `seconds` apart."""
    return [earning(points, second=number * seconds, id=f"a{number}") for number in range(count)]


def amounts(points: Iterable[int]) -> list[Earning]:
    """An earning an hour, of these points."""
    return [earning(one, second=number * 3_600) for number, one in enumerate(points)]


def days(points: Iterable[int]) -> list[Earning]:
    """An earning a day, of these points."""
    return [earning(one, day=number) for number, one in enumerate(points)]
