"""A single earning far above what is normal. docs/rules/anomaly.md."""

from bisect import insort
from collections.abc import Iterator
from typing import Any, Final, Literal

from libs.contracts.anomalies import AnomalyType, UnusualAmount
from services.anomaly.domain.awards import Award, Baseline, Finding, History, as_number, median

TYPE: Final[AnomalyType] = "unusual_amount"

Whose = Literal["customer", "store"]


def find(settings: UnusualAmount, history: History) -> Iterator[Finding]:
    """Every earning of `factor` times the baseline before it: the customer's own, or the store's
    while the customer's is short."""
    normal: list[int] = []
    for award in history.awards:
        finding = _judge(settings, history, award, normal)
        if finding is not None:
            yield finding
        elif history.is_normal(award):
            insort(normal, award.points)


def _judge(
    settings: UnusualAmount, history: History, award: Award, normal: list[int]
) -> Finding | None:
    if award.points < settings.min_points or TYPE in award.settled_for:
        return None
    whose: Whose = "customer"
    baseline: Baseline | None
    if len(normal) >= settings.min_history:
        baseline = Baseline(median(normal), len(normal))
    else:
        whose = "store"
        baseline = history.store_before(award)
        if baseline is None:
            history.asked.append(award)
    if (
        baseline is None
        or baseline.size < settings.min_history
        or not baseline.median
        or award.points < settings.factor * baseline.median
    ):
        return None
    return _finding(settings, award, baseline, whose)


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
