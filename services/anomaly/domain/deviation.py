"""A day unlike the customer's earlier days. docs/rules/anomaly.md."""

from bisect import insort
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Final

from msgspec import Struct

from libs.contracts.anomalies import AnomalyType, Deviation
from services.anomaly.domain.awards import (
    MS_A_DAY,
    MS_A_SECOND,
    Award,
    Finding,
    History,
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


def find(settings: Deviation, history: History) -> Iterator[Finding]:
    """Every day whose score reaches `score` against the days with earnings before it."""
    normal: list[int] = []
    for _, group in groupby(history.awards, key=lambda award: award.day):
        awards = list(group)
        judged = [award for award in awards if TYPE not in award.settled_for]
        finding = _judge(settings, judged, normal)
        flagged: set[str] = set()
        if finding is not None:
            yield finding
            flagged = {award.id for award in finding.awards}
        kept = [one.points for one in awards if history.is_normal(one) and one.id not in flagged]
        if kept:
            insort(normal, sum(kept))


def _judge(settings: Deviation, awards: Sequence[Award], normal: list[int]) -> Finding | None:
    if not awards or len(normal) < settings.min_days:
        return None
    points = sum(award.points for award in awards)
    # With the least MAD there can be, most days are told apart without looking at all the others.
    middle = median(normal)
    if Spread(middle, _LEAST_MAD * middle, len(normal)).score(points) < settings.score:
        return None
    spread = spread_of(normal)
    assert spread is not None
    score = spread.score(points)
    if score < settings.score:
        return None
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
            "score": round(float(score), 2),
            "threshold": as_number(settings.score),
        },
    )
