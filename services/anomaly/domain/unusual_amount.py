"""A single earning far above what is normal. docs/rules/anomaly.md."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from libs.contracts.anomalies import AnomalyType, UnusualAmount
from services.anomaly.domain.awards import Award, Baseline, Finding, Past, as_number, median

TYPE: Final[AnomalyType] = "unusual_amount"

Whose = Literal["customer", "store"]


class Detector:
    """Finds every earning of `factor` times the baseline before it: the customer's own, or the
    store's while the customer's is short."""

    def __init__(self, settings: UnusualAmount) -> None:
        self._settings = settings
        self._found: list[Finding] = []

    def judge(self, award: Award, past: Past) -> Sequence[Award]:
        settings = self._settings
        if award.points < settings.min_points:
            return ()
        amounts = past.amounts()
        whose: Whose = "customer" if len(amounts) >= settings.min_history else "store"
        own = whose == "customer"
        baseline = Baseline(median(amounts), len(amounts)) if own else past.store_before(award)
        if (
            baseline is None
            or baseline.size < settings.min_history
            or not baseline.median
            or award.points < settings.factor * baseline.median
        ):
            return ()
        self._found.append(_finding(settings, award, baseline, whose))
        return (award,)

    def findings(self) -> Iterator[Finding]:
        return iter(self._found)


def _finding(settings: UnusualAmount, award: Award, baseline: Baseline, whose: Whose) -> Finding:
    times = int(award.points / baseline.median)
    evidence: dict[str, Any] = {
        "points": award.points,
        "median": as_number(baseline.median),
        "history": baseline.size,
        "baseline": whose,
        "times": times,
        "factor": as_number(settings.factor),
    }
    return Finding(
        type=TYPE,
        awards=(award,),
        description=f"Single earning of {award.points:,} points ({times}x normal)",
        evidence=evidence,
    )
