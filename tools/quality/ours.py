"""The shipped detectors as they would have flagged a simulated history, and a score for each earning.

An earning's score is the strictness it survives: thresholds are scaled from a fifth to four times
what is shipped, and the largest scale at which it is still flagged counts. So 1 or more is flagged as
shipped, and the order beyond that is the detectors' own.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from libs.contracts.anomalies import AnomalySettings
from services.anomaly.domain.awards import Award, Baseline, median
from services.anomaly.domain.detectors import judge
from tools.quality.simulator import Earning

SCALES: Final = (4.0, 3.0, 2.5, 2.0, 1.7, 1.4, 1.2, 1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
# As the service has it: the store's last so many earnings are its baseline.
_STORE: Final = 1_000


def scores(earnings: Sequence[Earning]) -> dict[str, float]:
    """The score of each earning by its id; 0 where it is flagged at no scale."""
    store = _store_baselines(earnings)
    histories: dict[str, list[Award]] = {}
    for one in earnings:
        histories.setdefault(one.customer_id, []).append(Award(one.id, one.points, one.at))
    found = dict.fromkeys((one.id for one in earnings), 0.0)
    for scale in reversed(SCALES):
        settings = scaled(scale)
        for history in histories.values():
            for finding in judge(history, settings, store).findings:
                found.update((award.id, scale) for award in finding.awards)
    return found


def scaled(scale: float) -> AnomalySettings:
    """The shipped settings with every threshold times `scale`."""
    shipped = AnomalySettings()
    by = Decimal(str(scale))
    return AnomalySettings(
        rapid_earning=replace(
            shipped.rapid_earning, count=max(round(shipped.rapid_earning.count * scale), 2)
        ),
        unusual_amount=replace(shipped.unusual_amount, factor=shipped.unusual_amount.factor * by),
        deviation=replace(shipped.deviation, score=shipped.deviation.score * by),
    )


def _store_baselines(earnings: Sequence[Earning]) -> Mapping[str, Baseline]:
    """The store's baseline before each earning, of all that came before it."""
    found: dict[str, Baseline] = {}
    recent: deque[int] = deque()
    ordered: list[int] = []
    for one in earnings:
        if ordered:
            found[one.id] = Baseline(median(ordered), len(ordered))
        recent.append(one.points)
        insort(ordered, one.points)
        if len(recent) > _STORE:
            del ordered[bisect_left(ordered, recent.popleft())]
    return found
