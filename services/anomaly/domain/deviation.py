"""A day unlike the customer's earlier days. docs/rules/anomaly.md."""

from collections.abc import Iterator, Mapping, Sequence
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

    def points_at(self, score: Decimal) -> int:
        """The fewest points of a day whose score is `score` or more."""
        least = self.median + score * self.mad / _CONSISTENCY
        return int(least) + (least != int(least))


def spread_of(ordered: Sequence[int]) -> Spread | None:
    """The spread of ascending day totals; None without any, since no day deviates then."""
    if not ordered:
        return None
    middle = median(ordered)
    # Doubled, so that distances from a half are whole numbers.
    doubled = int(2 * middle)
    mad = median(sorted(abs(2 * points - doubled) for points in ordered)) / 2
    return Spread(middle, max(mad, _LEAST_MAD * middle), len(ordered))


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
        spread = self._exceeded_spread(baseline.days_before(earning.day))
        if spread is None:
            return ()
        suspicious = (earning,) if earning.day in self._findings else tuple(self._today)
        self._findings[earning.day] = _finding(self._settings, self._today, spread)
        return suspicious

    def _exceeded_spread(self, days: Sequence[int]) -> Spread | None:
        """The spread of the earlier days where today's score reaches the limit, else None."""
        score = self._settings.score
        if len(days) < self._settings.min_days:
            return None
        # The least MAD gives the highest score. Most days stay below even that one, which saves
        # sorting all distances.
        middle = median(days)
        if Spread(middle, _LEAST_MAD * middle, len(days)).score(self._points) < score:
            return None
        spread = spread_of(days)
        return None if spread is None or spread.score(self._points) < score else spread

    def findings(self) -> Iterator[Finding]:
        return iter(self._findings.values())

    @staticmethod
    def may_flag(settings: Deviation, screening: Screening) -> bool:
        del settings
        return screening.day_limit is not None and screening.day_points >= screening.day_limit


def day_limit(settings: Deviation, days: Mapping[int, int], day: int) -> int | None:
    """From so many points on, `day` may deviate from the days before it; None where it cannot.
    `days` holds the points in the baselines by UTC day."""
    if settings.mode == "off":
        return None
    before = sorted(points for earlier, points in days.items() if earlier < day)
    if len(before) < settings.min_days:
        return None
    spread = spread_of(before)
    return 0 if spread is None else spread.points_at(settings.score)


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
