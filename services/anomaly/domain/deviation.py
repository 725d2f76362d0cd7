"""A day unlike the customer's earlier days. docs/rules/anomaly.md."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar, Final

from msgspec import Struct

from libs.contracts.anomalies import AnomalyType, Deviation
from services.anomaly.domain.baselines import CustomerBaseline, median
from services.anomaly.domain.earnings import MS_PER_DAY, MS_PER_SECOND, Earning
from services.anomaly.domain.findings import Finding, as_number
from services.anomaly.domain.screening import Screening

TYPE: Final[AnomalyType] = "deviation"

# Makes the score of normally distributed days their distance in standard deviations.
_CONSISTENCY: Final = Decimal("0.6745")
# Among days that are all alike any other day would have an infinite score.
_LEAST_MAD: Final = Decimal("0.1")


class Spread(Struct, frozen=True):
    """The median points of earlier days, and their median absolute deviation from it."""

    median: Decimal
    mad: Decimal
    days: int

    def score(self, points: int) -> Decimal:
        """The distance of a day's points from normal; negative below it."""
        return _CONSISTENCY * (points - self.median) / self.mad


def spread_of(ordered: Sequence[int]) -> Spread | None:
    """The spread of ascending day totals; None without any, since no day deviates then."""
    if not ordered:
        return None
    middle = median(ordered)
    # Doubled, so that distances from a half are whole numbers.
    doubled = int(2 * middle)
    mad = median(sorted(abs(2 * points - doubled) for points in ordered)) / 2
    return Spread(middle, max(mad, _LEAST_MAD * middle), len(ordered))


def exceeded_spread(settings: Deviation, days: Sequence[int], points: int) -> Spread | None:
    """The spread of the earlier `days`, ascending, where a day of `points` reaches the score that is
    flagged; else None."""
    if len(days) < settings.min_days:
        return None
    # The least MAD gives the highest score. Most days stay below even that one, which saves sorting
    # all distances; and no day below the median has a score above zero.
    if points <= days[len(days) // 2 - 1]:
        return None
    middle = median(days)
    if Spread(middle, _LEAST_MAD * middle, len(days)).score(points) < settings.score:
        return None
    spread = spread_of(days)
    return None if spread is None or spread.score(points) < settings.score else spread


class Detector:
    """Finds every day whose score against the days with earnings before it reaches `score`, with
    all earnings of the day."""

    THRESHOLD: ClassVar = "score"

    def __init__(self, settings: Deviation) -> None:
        self._settings = settings
        self._today: list[Earning] = []
        self._points = 0
        self._findings: dict[int, Finding] = {}

    def judge(self, earning: Earning, baseline: CustomerBaseline) -> Sequence[Earning]:
        if self._today and self._today[-1].day != earning.day:
            self._today, self._points = [], 0
        self._today.append(earning)
        self._points += earning.points
        spread = exceeded_spread(self._settings, baseline.days_before(earning.day), self._points)
        if spread is None:
            return ()
        suspicious = (earning,) if earning.day in self._findings else tuple(self._today)
        self._findings[earning.day] = _finding(self._settings, self._today, spread)
        return suspicious

    def findings(self) -> Iterator[Finding]:
        return iter(self._findings.values())

    @staticmethod
    def may_flag(settings: Deviation, screening: Screening) -> bool:
        return exceeded_spread(settings, screening.earlier_days, screening.day_points) is not None


def _finding(settings: Deviation, earnings: Sequence[Earning], spread: Spread) -> Finding:
    points = sum(earning.points for earning in earnings)
    day = datetime.fromtimestamp(earnings[0].day * MS_PER_DAY / MS_PER_SECOND, UTC).date()
    return Finding(
        type=TYPE,
        earnings=tuple(earnings),
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
