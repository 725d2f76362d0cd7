"""The registry of detectors: judging a customer's earnings with all of them, and screening.

A new detector is a module with `TYPE` and `Detector`, its settings in libs/contracts/anomalies.py, and
a line in `DETECTORS`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol

from msgspec import Struct

from libs.contracts.anomalies import AnomalySettings, AnomalyType, Mode
from services.anomaly.domain import deviation, rapid_earning, unusual_amount
from services.anomaly.domain.baselines import Baseline, CustomerBaseline
from services.anomaly.domain.digests import Digest
from services.anomaly.domain.earnings import Earning, in_order
from services.anomaly.domain.findings import Finding
from services.anomaly.domain.screening import Screening


class Detector(Protocol):
    """Judges one customer's earnings by its own part of the settings; created for each customer."""

    # The parameter that says how much is too much: the higher, the less is flagged.
    THRESHOLD: ClassVar[str]

    def __init__(self, settings: Any) -> None: ...

    def judge(self, earning: Earning, baseline: CustomerBaseline) -> Sequence[Earning]:
        """Judge the next earning by position; returns the earnings that became suspicious with it,
        itself and earlier ones. `baseline` is what was normal before it."""

    def findings(self) -> Iterator[Finding]:
        """Everything found so far."""

    @staticmethod
    def may_flag(settings: Any, screening: Screening) -> bool:
        """Whether `judge` may flag a new earning that is not late, or earlier ones with it. False is
        a promise; True costs a judgment."""


DETECTORS: Final[Mapping[AnomalyType, type[Detector]]] = {
    rapid_earning.TYPE: rapid_earning.Detector,
    unusual_amount.TYPE: unusual_amount.Detector,
    deviation.TYPE: deviation.Detector,
}


class Judgment(Struct, frozen=True):
    """The findings, and the ids of the earnings that they take out of the baselines; final once
    `missing` is empty. It holds the earnings whose store baseline has to be looked up."""

    findings: Sequence[Finding]
    suspicious: Collection[str]
    missing: Sequence[Earning]


def judge(
    earnings: Sequence[Earning],
    settings: AnomalySettings,
    store_baselines: Mapping[str, Baseline] | None = None,
) -> Judgment:
    """Judge all earnings of one customer, given in any order. Each is judged as at its own event
    time: by the earnings before it, and nothing after.

    `store_baselines` holds the store's baseline before an earning, by the earning's id. What a
    detector in review flags is out of the baselines from that earning on; a detector in shadow
    changes no baseline.
    """
    baseline = CustomerBaseline(store_baselines or {})
    detectors = {
        kind: DETECTORS[kind](getattr(settings, kind))
        for kind in DETECTORS
        if mode_of(settings, kind) != "off"
    }
    in_review = {kind for kind in detectors if mode_of(settings, kind) == "review"}
    for earning in in_order(earnings):
        suspicious: list[Earning] = []
        for kind, detector in detectors.items():
            if kind in earning.exempt_from:
                continue
            flagged = detector.judge(earning, baseline)
            if kind in in_review and not all(one.settled for one in flagged):
                suspicious += flagged
        baseline.exclude(suspicious)
        baseline.add(earning)
    findings = [finding for detector in detectors.values() for finding in detector.findings()]
    return Judgment(findings, baseline.suspicious, baseline.missing)


def screen(
    settings: AnomalySettings, digest: Digest, new: Sequence[Earning]
) -> tuple[bool, Digest | None]:
    """Whether a judgment may find anything in a customer's `new` earnings; and the digest with them,
    None where it does not suffice for them and has to be made again."""
    is_suspicious = False
    for earning in new:
        screening = digest.add(earning, settings.rapid_earning)
        if screening is None:
            return True, None
        is_suspicious = is_suspicious or _may_be_flagged(settings, screening)
    return is_suspicious, digest


def _may_be_flagged(settings: AnomalySettings, screening: Screening) -> bool:
    for kind, detector in DETECTORS.items():
        own = getattr(settings, kind)
        if own.mode != "off" and detector.may_flag(own, screening):
            return True
    return False


def mode_of(settings: AnomalySettings, kind: AnomalyType) -> Mode:
    """A detector's mode."""
    mode: Mode = getattr(settings, kind).mode
    return mode
