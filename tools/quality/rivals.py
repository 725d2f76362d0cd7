"""What the detectors are held against: fixed thresholds, a plain z-score, and two learned models.

Each answers a score for every earning, the higher the more suspicious. The detectors flag a whole
burst or day once it has become suspicious; so the counts and totals here are those of the whole day or
burst too, and nobody is behind for having looked earlier. Whatever is chosen or learnt is taken from
other seeds than those that are judged.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any, Final

from tools.quality.judge import verdict
from tools.quality.simulator import Earning

_MINUTES_MS: Final = 120_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_HISTORY: Final = 5
# Of the awards that thresholds are chosen by, how many may be above: where abuse is not known, and the
# ones that are tried where it is.
_RARE: Final = 0.005
_ABOVE: Final = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)

Histories = Sequence[Sequence[Earning]]


def rare(tuning: Histories) -> tuple[float, float]:
    """The points of one award, and the awards of a customer on a day, that one in two hundred awards
    exceeds: what a shop can choose that knows of no abuse."""
    points, counts = _values([row for history in tuning for row in features(history)])
    return _exceeded(points, _RARE), _exceeded(counts, _RARE)


def thresholds(tuning: Histories) -> tuple[float, float]:
    """The two that, of many tried, together told abuse best, labels known."""
    rows = [row for history in tuning for row in features(history)]
    told = [one for history in tuning for one in history]
    points, counts = _values(rows)
    tried = [(_exceeded(points, one), _exceeded(counts, two)) for one in _ABOVE for two in _ABOVE]
    return max(tried, key=lambda pair: verdict(told, _over(rows, *pair), flags=0).average)


def fixed_thresholds(chosen: tuple[float, float], earnings: Sequence[Earning]) -> list[float]:
    """Points of one award, and awards of a customer on a day, each over its threshold."""
    return _over(features(earnings), *chosen)


def _over(rows: Sequence[Mapping[str, float]], points: float, count: float) -> list[float]:
    return [max(math.exp(row["points"]) / points, row["day"] / count) for row in rows]


def _values(rows: Sequence[Mapping[str, float]]) -> tuple[list[float], list[float]]:
    return [math.exp(row["points"]) for row in rows], [row["day"] for row in rows]


def _exceeded(values: Sequence[float], share: float) -> float:
    """What only so large a share of the values is above."""
    return sorted(values)[int(len(values) * (1 - share))]


def z_score(earnings: Sequence[Earning]) -> list[float]:
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


def isolation_forest(tuning: Histories, earnings: Sequence[Earning]) -> list[float]:
    """scikit-learn's IsolationForest on all features, without labels."""
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415  only this command has it

    model: Any = IsolationForest(n_estimators=200, random_state=0)
    model.fit([list(row.values()) for history in tuning for row in features(history)])
    scored = model.score_samples([list(row.values()) for row in features(earnings)])
    return [-float(one) for one in scored]


def half_space_trees(tuning: Histories, earnings: Sequence[Earning]) -> list[float]:
    """River's half-space trees, without labels; they go on learning from what they score."""
    from river.anomaly import HalfSpaceTrees  # noqa: PLC0415  only this command has it

    rows = [row for history in tuning for row in features(history)]
    names = list(rows[0])
    lowest = {name: min(row[name] for row in rows) for name in names}
    widest = {name: max(row[name] for row in rows) - lowest[name] or 1.0 for name in names}
    model: Any = HalfSpaceTrees(n_trees=25, height=8, window_size=1_000, seed=0)

    def within(row: Mapping[str, float]) -> dict[str, float]:
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


def features(earnings: Sequence[Earning]) -> list[dict[str, float]]:
    """What the learned ones see of each award: its logarithm and that of its ratio to the median of
    the customer's earlier ones, the gap before it, the customer's awards within two minutes and an
    hour of it and on its day, and the day's points."""
    times: dict[str, list[int]] = {}
    of_day: dict[tuple[str, int], list[int]] = {}
    for one in earnings:
        times.setdefault(one.customer_id, []).append(one.at)
        of_day.setdefault((one.customer_id, one.at // _DAY_MS), []).append(one.points)
    earlier: dict[str, list[int]] = {}
    rows = []
    for one in earnings:
        before = earlier.setdefault(one.customer_id, [])
        own, today = times[one.customer_id], of_day[one.customer_id, one.at // _DAY_MS]
        usual = before[len(before) // 2] if before else one.points
        gap = one.at - own[len(before) - 1] if before else 30 * _DAY_MS
        rows.append(
            {
                "points": math.log(one.points),
                "ratio": math.log(one.points / usual),
                "gap": math.log(1 + gap),
                "minutes": _around(own, one.at, _MINUTES_MS),
                "hour": _around(own, one.at, _HOUR_MS),
                "day": float(len(today)),
                "points of the day": math.log(sum(today)),
            }
        )
        insort(before, one.points)
    return rows


def _around(times: Sequence[int], at: int, distance: int) -> float:
    """How many of ascending `times` are no further from `at`."""
    return float(bisect_right(times, at + distance) - bisect_left(times, at - distance))
