"""A customer's earnings, in few words."""

from collections.abc import Iterable

from services.anomaly.domain.awards import MS_A_DAY, MS_A_SECOND, Award

# 2026-03-10T12:00:00Z
NOON = 1_773_144_000_000


def award(points: int = 500, *, second: float = 0, day: int = 0, **changes: object) -> Award:
    """An earning `second` seconds after noon, `day` days later; its id is made of its time."""
    at = NOON + int(second * MS_A_SECOND) + day * MS_A_DAY
    plain: dict[str, object] = {"id": f"{at}-{points}", "points": points, "at": at}
    return Award(**(plain | changes))


def every(seconds: float, count: int, points: int = 500) -> list[Award]:
    """So many earnings, so many seconds apart."""
    return [award(points, second=number * seconds, id=f"a{number}") for number in range(count)]


def amounts(points: Iterable[int]) -> list[Award]:
    """An earning an hour, of these points."""
    return [award(one, second=number * 3_600) for number, one in enumerate(points)]


def days(points: Iterable[int]) -> list[Award]:
    """An earning a day, of these points."""
    return [award(one, day=number) for number, one in enumerate(points)]
