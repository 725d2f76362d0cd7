"""A single earning far above what is normal. docs/rules/anomaly.md."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final, Literal

from libs.contracts.anomalies import AnomalyType, UnusualAmount
from services.anomaly.domain.baselines import Baseline, CustomerBaseline, median
from services.anomaly.domain.earnings import Earning
from services.anomaly.domain.findings import Finding, as_number
from services.anomaly.domain.screening import Screening

TYPE: Final[AnomalyType] = "unusual_amount"

BaselineSource = Literal["customer", "store"]


class Detector:
    """Finds every earning of `factor` times the baseline before it: the customer's own, or the
    store's while the customer has fewer than `min_history` earnings."""

    THRESHOLD: ClassVar = "factor"

    def __init__(self, settings: UnusualAmount) -> None:
        self._settings = settings
        self._findings: list[Finding] = []

    def judge(self, earning: Earning, baseline: CustomerBaseline) -> Sequence[Earning]:
        settings = self._settings
        if earning.points < settings.min_points:
            return ()
        amounts = baseline.amounts()
        source: BaselineSource = "customer" if len(amounts) >= settings.min_history else "store"
        normal = (
            Baseline(median(amounts), len(amounts))
            if source == "customer"
            else baseline.store_baseline(earning)
        )
        if (
            normal is None
            or normal.size < settings.min_history
            or not normal.median
            or earning.points < settings.factor * normal.median
        ):
            return ()
        self._findings.append(_finding(settings, earning, normal, source))
        return (earning,)

    def findings(self) -> Iterator[Finding]:
        return iter(self._findings)

    @staticmethod
    def may_flag(settings: UnusualAmount, screening: Screening) -> bool:
        return screening.points >= settings.min_points


def _finding(
    settings: UnusualAmount, earning: Earning, normal: Baseline, source: BaselineSource
) -> Finding:
    times = int(earning.points / normal.median)
    return Finding(
        type=TYPE,
        earnings=(earning,),
        description=f"Single earning of {earning.points:,} points ({times}x normal)",
        evidence={
            "points": earning.points,
            "median": as_number(normal.median),
            "history": normal.size,
            "baseline": source,
            "times": times,
            "factor": as_number(settings.factor),
        },
    )
