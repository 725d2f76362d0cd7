"""The detectors, and judging a customer's earnings with all of them.

A new detector is a module with `TYPE` and `Detector`, its settings in libs/contracts/anomalies.py, and
a line here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from libs.contracts.anomalies import AnomalySettings, AnomalyType, Mode
from services.anomaly.domain import deviation, rapid_earning, unusual_amount
from services.anomaly.domain.awards import Award, Baseline, Detector, Finding, Past, in_order

# Each is made of its own part of the settings.
DETECTORS: Final[Mapping[AnomalyType, Callable[[Any], Detector]]] = {
    rapid_earning.TYPE: rapid_earning.Detector,
    unusual_amount.TYPE: unusual_amount.Detector,
    deviation.TYPE: deviation.Detector,
}


class Judgement(Struct, frozen=True):
    """What was found; `asked` are the earnings whose store baseline must be known to be sure."""

    findings: Sequence[Finding]
    asked: Sequence[Award]


def judge(
    awards: Sequence[Award],
    settings: AnomalySettings,
    store_before: Mapping[str, Baseline] | None = None,
) -> Judgement:
    """Judge all earnings of one customer, whatever order they come in, as if each had been judged
    at its own time: by what was known of the ones before it, and nothing after.

    `store_before` has the store's baseline before an earning, by its id. What a detector in review
    flags is out of the baselines from that earning on; one in shadow changes nothing.
    """
    known = store_before or {}
    past = Past(lambda award: known.get(award.id))
    detectors = {
        kind: make(getattr(settings, kind))
        for kind, make in DETECTORS.items()
        if mode_of(settings, kind) != "off"
    }
    in_review = {kind for kind in detectors if mode_of(settings, kind) == "review"}
    for award in in_order(awards):
        suspicious: list[Award] = []
        for kind, detector in detectors.items():
            if kind in award.settled_for:
                continue
            found = detector.judge(award, past)
            if kind in in_review:
                suspicious += found
        past.take_out(suspicious)
        past.add(award)
    findings = [one for detector in detectors.values() for one in detector.findings()]
    return Judgement(findings, past.asked)


def mode_of(settings: AnomalySettings, kind: AnomalyType) -> Mode:
    """A detector's mode."""
    mode: Mode = getattr(settings, kind).mode
    return mode
