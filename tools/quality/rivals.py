"""What the detectors are held against: fixed thresholds, a plain z-score, and two learned models.

Each scores earnings in the order of time, the higher the more suspicious. What is to be learnt is
learnt from the tuning seeds, without their labels.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, median, pstdev
from typing import Any

from tools.quality.simulator import Earning

_DAY_MS = 86_400_000
_HISTORY = 5


def fixed_thresholds(
    tuning: Sequence[Sequence[Earning]], earnings: Sequence[Earning]
) -> list[float]:
    """Points of one award, and awards of a customer within a day, each over what one in two hundred
    of the tuning seeds reaches."""
    rows = [row for history in tuning for row in features(history)]
    points = _quantile([row["points"] for row in rows], 0.995)
    count = _quantile([row["day"] for row in rows], 0.995)
    return [max(row["points"] / points, row["day"] / count) for row in features(earnings)]


def z_score(_tuning: Sequence[Sequence[Earning]], earnings: Sequence[Earning]) -> list[float]:
    """How many standard deviations an award is above the mean of the customer's earlier ones; of the
    store's while there are too few."""
    found: list[float] = []
    store: list[int] = []
    own: dict[str, list[int]] = {}
    for one in earnings:
        mine = own.setdefault(one.customer_id, [])
        measure = mine if len(mine) >= _HISTORY else store[-1_000:]
        spread = pstdev(measure) if len(measure) > 1 else 0.0
        found.append((one.points - fmean(measure)) / spread if spread else 0.0)
        mine.append(one.points)
        store.append(one.points)
    return found


def isolation_forest(
    tuning: Sequence[Sequence[Earning]], earnings: Sequence[Earning]
) -> list[float]:
    """scikit-learn's IsolationForest on all features."""
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415  only this command has it

    model: Any = IsolationForest(n_estimators=200, random_state=0)
    model.fit([list(row.values()) for history in tuning for row in features(history)])
    scored = model.score_samples([list(row.values()) for row in features(earnings)])
    return [-float(one) for one in scored]


def half_space_trees(
    tuning: Sequence[Sequence[Earning]], earnings: Sequence[Earning]
) -> list[float]:
    """River's half-space trees, which go on learning from what they score."""
    from river.anomaly import HalfSpaceTrees  # noqa: PLC0415  only this command has it

    rows = [row for history in tuning for row in features(history)]
    names = list(rows[0])
    lowest = {name: min(row[name] for row in rows) for name in names}
    widest = {name: max(row[name] for row in rows) - lowest[name] or 1.0 for name in names}
    model: Any = HalfSpaceTrees(n_trees=25, height=8, window_size=1_000, seed=0)

    def within(row: dict[str, float]) -> dict[str, float]:
        return {
            name: min(max((row[name] - lowest[name]) / widest[name], 0.0), 1.0) for name in names
        }

    for row in rows:
        model.learn_one(within(row))
    found = []
    for row in features(earnings):
        found.append(float(model.score_one(within(row))))
        model.learn_one(within(row))
    return found


def features(earnings: Sequence[Earning]) -> Iterator[dict[str, float]]:
    """What the learned ones see of an award: its logarithm and that of its ratio to the customer's
    median, the gap before it, and what else the customer earned lately."""
    earlier: dict[str, list[Earning]] = {}
    for one in earnings:
        before = earlier.setdefault(one.customer_id, [])
        today = [other for other in before[-200:] if other.at > one.at - _DAY_MS]
        usual = median([other.points for other in before[-200:]] or [one.points])
        gap = one.at - before[-1].at if before else 30 * _DAY_MS
        yield {
            "points": math.log(one.points),
            "ratio": math.log(one.points / usual),
            "gap": math.log(1 + gap),
            "minutes": float(sum(other.at > one.at - 120_000 for other in today)),
            "hour": float(sum(other.at > one.at - 3_600_000 for other in today)),
            "day": 1.0 + len(today),
            "points of the day": math.log(one.points + sum(other.points for other in today)),
        }
        before.append(one)


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]
