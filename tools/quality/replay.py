"""Replays a simulated history through the service's detectors, and scores each earning.

An earning's score is the strictness at which it is still flagged: thresholds are scaled from a fifth to
four times their value, and the largest scale that flags the earning counts. So a score of 1 or more
means flagged by the settings themselves, and higher scores are the detectors' own ranking. Settings that
are not thresholds are not scaled: the window, the history required, and the minimum points.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from libs.contracts.anomalies import PARAMETER_BOUNDS, AnomalySettings, AnomalyType, WholeNumbers
from services.anomaly.domain.baselines import Baseline, median
from services.anomaly.domain.detectors import DETECTORS, judge
from services.anomaly.domain.earnings import Earning as JudgedEarning
from tools.quality.evaluation import evaluate
from tools.quality.simulator import Earning

SCALES: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0)
# As in the service: the baseline of a store is computed from this many of its last normal earnings.
_STORE_EARNINGS: Final = 1_000
_CANDIDATE_SCORES: Final = tuple(map(Decimal, (6, 9, 12, 18, 24)))


def score(earnings: Sequence[Earning], settings: AnomalySettings) -> list[float]:
    """The score of each earning; 0 where no scale flags it."""
    scores = dict.fromkeys((earning.id for earning in earnings), 0.0)
    for scale in SCALES:
        for ids in flag(earnings, scale_thresholds(settings, scale)).values():
            scores.update(dict.fromkeys(ids, scale))
    return [scores[earning.id] for earning in earnings]


def flag(earnings: Sequence[Earning], settings: AnomalySettings) -> Mapping[AnomalyType, set[str]]:
    """The ids that each detector flags. Flagged earnings are in no baseline, so the detectors run
    twice: with the baselines of all earnings, then with those of the earnings not flagged."""
    histories: dict[str, list[JudgedEarning]] = {}
    for earning in earnings:
        judged = JudgedEarning(earning.id, earning.points, earning.at)
        histories.setdefault(earning.customer_id, []).append(judged)
    flagged: dict[AnomalyType, set[str]] = {}
    for _ in range(2):
        baselines = _store_baselines(earnings, set[str]().union(*flagged.values()))
        flagged = {kind: set() for kind in DETECTORS}
        for history in histories.values():
            for finding in judge(history, settings, baselines).findings:
                flagged[finding.type].update(one.id for one in finding.earnings)
    return flagged


def scale_thresholds(settings: AnomalySettings, scale: float) -> AnomalySettings:
    """The settings with every threshold multiplied by `scale`."""
    return AnomalySettings(
        **{
            kind: _scale_threshold(getattr(settings, kind), detector.THRESHOLD, scale)
            for kind, detector in DETECTORS.items()
        }
    )


def _scale_threshold(settings: Any, name: str, scale: float) -> Any:
    """A detector's settings with its threshold scaled: a whole number is rounded, and stays in its
    bounds."""
    scaled = getattr(settings, name) * Decimal(str(scale))
    bound = PARAMETER_BOUNDS[type(settings)][name]
    if isinstance(bound, WholeNumbers):
        scaled = min(max(round(scaled), bound.low), bound.high)
    return replace(settings, **{name: scaled})


def tune_settings(histories: Sequence[Sequence[Earning]]) -> AnomalySettings:
    """The default settings, with the candidate `deviation.score` of the best average precision on
    labeled histories."""
    defaults = AnomalySettings()
    earnings = [earning for history in histories for earning in history]

    def quality(settings: AnomalySettings) -> float:
        scores = [each for history in histories for each in score(history, settings)]
        return evaluate(earnings, scores, flags=0).average_precision

    candidates = [
        replace(defaults, deviation=replace(defaults.deviation, score=candidate))
        for candidate in _CANDIDATE_SCORES
    ]
    return max(candidates, key=quality)


def _store_baselines(
    earnings: Sequence[Earning], excluded: Collection[str]
) -> Mapping[str, Baseline]:
    """The store's baseline before each earning, from the earlier earnings that are not `excluded`."""
    baselines: dict[str, Baseline] = {}
    recent: deque[int] = deque()
    ordered: list[int] = []
    for earning in earnings:
        if ordered:
            baselines[earning.id] = Baseline(median(ordered), len(ordered))
        if earning.id in excluded:
            continue
        recent.append(earning.points)
        insort(ordered, earning.points)
        if len(recent) > _STORE_EARNINGS:
            del ordered[bisect_left(ordered, recent.popleft())]
    return baselines
