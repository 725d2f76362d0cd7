"""The shipped detectors as they would have flagged a simulated history, and a score for each earning.

An earning's score is the strictness it survives: thresholds are scaled from a fifth to four times
what they are, and the largest scale at which it is still flagged counts. So 1 or more is flagged by
the settings as they are, and the order beyond that is the detectors' own. What is no threshold is not
scaled: the window, how much history is needed, and the least points.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from libs.contracts.anomalies import AnomalySettings, AnomalyType
from services.anomaly.domain.baselines import Baseline, median
from services.anomaly.domain.detectors import DETECTORS, judge
from services.anomaly.domain.earnings import Earning as JudgedEarning
from tools.quality.judge import verdict
from tools.quality.simulator import Earning

SCALES: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0)
# As the service has it: the store's last so many normal earnings are its baseline.
_STORE: Final = 1_000
_TRIED: Final = tuple(map(Decimal, (6, 9, 12, 18, 24)))


def scores(earnings: Sequence[Earning], settings: AnomalySettings) -> list[float]:
    """The score of each earning; 0 where it is flagged at no scale."""
    found = dict.fromkeys((one.id for one in earnings), 0.0)
    for scale in SCALES:
        for ids in flagged(earnings, scaled(settings, scale)).values():
            found.update(dict.fromkeys(ids, scale))
    return [found[one.id] for one in earnings]


def flagged(
    earnings: Sequence[Earning], settings: AnomalySettings
) -> Mapping[AnomalyType, set[str]]:
    """The ids of what each detector flags: first against all that the store gave, then, since what
    is flagged is in no baseline, against what of it is normal."""
    histories: dict[str, list[JudgedEarning]] = {}
    for one in earnings:
        histories.setdefault(one.customer_id, []).append(JudgedEarning(one.id, one.points, one.at))
    found: dict[AnomalyType, set[str]] = {}
    for _ in range(2):
        store = _store_baselines(earnings, set[str]().union(*found.values()))
        found = {kind: set() for kind in DETECTORS}
        for history in histories.values():
            for finding in judge(history, settings, store).findings:
                found[finding.type].update(earning.id for earning in finding.earnings)
    return found


def scaled(settings: AnomalySettings, scale: float) -> AnomalySettings:
    """The settings with every threshold times `scale`."""
    rapid, unusual, deviation = settings.rapid_earning, settings.unusual_amount, settings.deviation
    by = Decimal(str(scale))
    return AnomalySettings(
        rapid_earning=replace(rapid, count=max(round(rapid.count * scale), 2)),
        unusual_amount=replace(unusual, factor=unusual.factor * by),
        deviation=replace(deviation, score=deviation.score * by),
    )


def tuned(tuning: Sequence[Sequence[Earning]]) -> AnomalySettings:
    """The shipped settings, with the score of `deviation` that told abuse best, labels known."""
    shipped = AnomalySettings()
    told = [one for history in tuning for one in history]

    def average(settings: AnomalySettings) -> float:
        scored = [score for history in tuning for score in scores(history, settings)]
        return verdict(told, scored, flags=0).average

    tried = [replace(shipped, deviation=replace(shipped.deviation, score=one)) for one in _TRIED]
    return max(tried, key=average)


def _store_baselines(earnings: Sequence[Earning], out: Collection[str]) -> Mapping[str, Baseline]:
    """The store's baseline before each earning, of what came before it and is not `out`."""
    found: dict[str, Baseline] = {}
    recent: deque[int] = deque()
    ordered: list[int] = []
    for one in earnings:
        if ordered:
            found[one.id] = Baseline(median(ordered), len(ordered))
        if one.id in out:
            continue
        recent.append(one.points)
        insort(ordered, one.points)
        if len(recent) > _STORE:
            del ordered[bisect_left(ordered, recent.popleft())]
    return found
