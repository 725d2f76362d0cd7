"""Baseline detectors for comparison: fixed limits, a plain z-score, and two learned models.

Each returns a score for every earning, the higher the more suspicious. The service's detectors flag a
whole burst or day once it becomes suspicious; so that the comparison is fair, the counts and totals here
are those of the whole burst or day too. Limits are chosen and models are trained on other seeds than
those of the evaluation.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any, Final

from tools.quality.evaluation import evaluate
from tools.quality.simulator import Earning

_MINUTES_MS: Final = 120_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_MIN_HISTORY: Final = 5
# The share of awards above a limit: where no abuse is known, and the candidates where it is.
_RARE_SHARE: Final = 0.005
_CANDIDATE_SHARES: Final = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)

Histories = Sequence[Sequence[Earning]]


def rare_limits(histories: Histories) -> tuple[float, float]:
    """The points of an award, and a customer's awards on a day, that one award in two hundred exceeds:
    the choice of a shop that knows of no abuse."""
    points, counts = _values([row for history in histories for row in features(history)])
    return _quantile(points, _RARE_SHARE), _quantile(counts, _RARE_SHARE)


def tune_limits(histories: Histories) -> tuple[float, float]:
    """The pair of candidate limits with the best average precision on labeled histories."""
    rows = [row for history in histories for row in features(history)]
    earnings = [earning for history in histories for earning in history]
    points, counts = _values(rows)
    candidates = [
        (_quantile(points, points_share), _quantile(counts, count_share))
        for points_share in _CANDIDATE_SHARES
        for count_share in _CANDIDATE_SHARES
    ]
    return max(
        candidates,
        key=lambda pair: evaluate(earnings, _score(rows, *pair), flags=0).average_precision,
    )


def fixed_limits(limits: tuple[float, float], earnings: Sequence[Earning]) -> list[float]:
    """The larger of two ratios: an award's points and the customer's awards of the day, each to its
    limit."""
    return _score(features(earnings), *limits)


def _score(rows: Sequence[Mapping[str, float]], points: float, count: float) -> list[float]:
    return [max(math.exp(row["points"]) / points, row["day"] / count) for row in rows]


def _values(rows: Sequence[Mapping[str, float]]) -> tuple[list[float], list[float]]:
    return [math.exp(row["points"]) for row in rows], [row["day"] for row in rows]


def _quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values exceed."""
    return sorted(values)[int(len(values) * (1 - share))]


def z_score(earnings: Sequence[Earning]) -> list[float]:
    """How many standard deviations an award is above the mean of the customer's earlier awards, or of
    the store's while the customer has too few."""
    scores: list[float] = []
    store: list[int] = []
    by_customer: dict[str, list[int]] = {}
    for earning in earnings:
        own = by_customer.setdefault(earning.customer_id, [])
        sample = own if len(own) >= _MIN_HISTORY else store[-1_000:]
        deviation = pstdev(sample) if len(sample) > 1 else 0.0
        scores.append((earning.points - fmean(sample)) / deviation if deviation else 0.0)
        own.append(earning.points)
        store.append(earning.points)
    return scores


def isolation_forest(histories: Histories, earnings: Sequence[Earning]) -> list[float]:
    """scikit-learn's IsolationForest on all features, without labels."""
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415  installed for this command only

    model: Any = IsolationForest(n_estimators=200, random_state=0)
    model.fit([list(row.values()) for history in histories for row in features(history)])
    scores = model.score_samples([list(row.values()) for row in features(earnings)])
    return [-float(each) for each in scores]


def half_space_trees(histories: Histories, earnings: Sequence[Earning]) -> list[float]:
    """River's half-space trees, without labels; they continue to learn from the earnings they score."""
    from river.anomaly import HalfSpaceTrees  # noqa: PLC0415  installed for this command only

    rows = [row for history in histories for row in features(history)]
    names = list(rows[0])
    low = {name: min(row[name] for row in rows) for name in names}
    width = {name: max(row[name] for row in rows) - low[name] or 1.0 for name in names}
    model: Any = HalfSpaceTrees(n_trees=25, height=8, window_size=1_000, seed=0)

    def normalize(row: Mapping[str, float]) -> dict[str, float]:
        return {name: min(max((row[name] - low[name]) / width[name], 0.0), 1.0) for name in names}

    for row in rows:
        model.learn_one(normalize(row))
    scores = []
    for row in features(earnings):
        scores.append(float(model.score_one(normalize(row))))
        model.learn_one(normalize(row))
    return scores


def features(earnings: Sequence[Earning]) -> list[dict[str, float]]:
    """The features of each award for the learned models: the logarithm of its points and of their
    ratio to the median of the customer's earlier awards, the gap before it, the customer's awards
    within two minutes and an hour of it and on its day, and the day's points."""
    times: dict[str, list[int]] = {}
    days: dict[tuple[str, int], list[int]] = {}
    for earning in earnings:
        times.setdefault(earning.customer_id, []).append(earning.at)
        days.setdefault((earning.customer_id, earning.at // _DAY_MS), []).append(earning.points)
    earlier_points: dict[str, list[int]] = {}
    rows = []
    for earning in earnings:
        earlier = earlier_points.setdefault(earning.customer_id, [])
        own_times = times[earning.customer_id]
        day = days[earning.customer_id, earning.at // _DAY_MS]
        usual = earlier[len(earlier) // 2] if earlier else earning.points
        gap = earning.at - own_times[len(earlier) - 1] if earlier else 30 * _DAY_MS
        rows.append(
            {
                "points": math.log(earning.points),
                "ratio": math.log(earning.points / usual),
                "gap": math.log(1 + gap),
                "minutes": _count_within(own_times, earning.at, _MINUTES_MS),
                "hour": _count_within(own_times, earning.at, _HOUR_MS),
                "day": float(len(day)),
                "points of the day": math.log(sum(day)),
            }
        )
        insort(earlier, earning.points)
    return rows


def _count_within(times: Sequence[int], at: int, distance: int) -> float:
    """How many of the ascending `times` are at most `distance` from `at`."""
    return float(bisect_right(times, at + distance) - bisect_left(times, at - distance))
