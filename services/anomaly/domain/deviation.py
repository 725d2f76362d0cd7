"""A day unlike the customer's earlier days. docs/rules/anomaly.md."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from libs.contracts.anomalies import AnomalyType, Deviation
from services.anomaly.domain.awards import (
    MS_A_DAY,
    MS_A_SECOND,
    Award,
    Finding,
    Past,
    as_number,
    median,
)

TYPE: Final[AnomalyType] = "deviation"

# Makes the score of normally distributed days their distance in standard deviations.
_CONSISTENCY: Final = Decimal("0.6745")
# Days that are all alike would make any other day infinitely strange.
_LEAST_MAD: Final = Decimal("0.1")


class Spread(Struct, frozen=True):
    """The median of earlier days' points, and their median absolute deviation from it."""

    median: Decimal
    mad: Decimal
    days: int

    def score(self, points: int) -> Decimal:
        """How far a day's points are from normal; negative below it."""
        return _CONSISTENCY * (points - self.median) / self.mad

    def reaches(self, score: Decimal) -> int:
        """The least points of a day whose score is `score` or more."""
        least = self.median + score * self.mad / _CONSISTENCY
        return int(least) + (least != int(least))


def spread_of(ordered: Sequence[int]) -> Spread | None:
    """The spread of ascending day totals; None without any, since nothing is strange then."""
    if not ordered:
        return None
    middle = median(ordered)
    # Doubled, so that distances from a half are whole numbers.
    doubled = int(2 * middle)
    mad = median(sorted(abs(2 * points - doubled) for points in ordered)) / 2
    return Spread(middle, max(mad, _LEAST_MAD * middle), len(ordered))


class Detector:
    """Finds every day whose score reaches `score` against the days with earnings before it, and
    keeps it with all of the day's earnings."""

    def __init__(self, settings: Deviation) -> None:
        self._settings = settings
        self._today: list[Award] = []
        self._points = 0
        self._found: dict[int, Finding] = {}

    def judge(self, award: Award, past: Past) -> Sequence[Award]:
        if self._today and self._today[-1].day != award.day:
            self._today, self._points = [], 0
        self._today.append(award)
        self._points += award.points
        spread = self._strange(past.days_before(award.day))
        if spread is None:
            return ()
        suspicious = (award,) if award.day in self._found else tuple(self._today)
        self._found[award.day] = _finding(self._settings, self._today, spread)
        return suspicious

    def _strange(self, normal: Sequence[int]) -> Spread | None:
        """What is normal, where today's points are not."""
        score = self._settings.score
        if len(normal) < self._settings.min_days:
            return None
        # With the least MAD there can be, most days are told apart without a look at all the others.
        middle = median(normal)
        if Spread(middle, _LEAST_MAD * middle, len(normal)).score(self._points) < score:
            return None
        spread = spread_of(normal)
        return None if spread is None or spread.score(self._points) < score else spread

    def findings(self) -> Iterator[Finding]:
        return iter(self._found.values())


def _finding(settings: Deviation, awards: Sequence[Award], spread: Spread) -> Finding:
    points = sum(award.points for award in awards)
    day = datetime.fromtimestamp(awards[0].day * MS_A_DAY / MS_A_SECOND, UTC).date()
    return Finding(
        type=TYPE,
        awards=tuple(awards),
        description=f"{points:,} points on {day} (normally {as_number(spread.median):,} a day)",
        evidence={
            "date": day.isoformat(),
            "points": points,
            "median": as_number(spread.median),
            "mad": as_number(spread.mad),
            "days": spread.days,
            "score": round(float(spread.score(points)), 2),
            "threshold": as_number(settings.score),
        },
    )
