"""The detectors, and judging a customer's earnings with all of them.

A new detector is a module with `TYPE` and `find`, its settings in libs/contracts/anomalies.py, and
a line here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from libs.contracts.anomalies import AnomalySettings, AnomalyType, Mode
from services.anomaly.domain import deviation, rapid_earning, unusual_amount
from services.anomaly.domain.awards import Award, Baseline, Finding, History, in_order

Find = Callable[[Any, History], Iterator[Finding]]

# In this order: what one has flagged is out of the baselines of those that follow.
DETECTORS: Final[Mapping[AnomalyType, Find]] = {
    rapid_earning.TYPE: rapid_earning.find,
    unusual_amount.TYPE: unusual_amount.find,
    deviation.TYPE: deviation.find,
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
    """Judge all earnings of one customer, whatever order they come in.

    `store_before` has the store's baseline before an earning, by its id. What a detector in review
    flags stays out of the baselines of later earnings; one in shadow changes nothing for others.
    """
    known = store_before or {}
    history = History(awards=in_order(awards), store_before=lambda award: known.get(award.id))
    findings: list[Finding] = []
    for kind, find in DETECTORS.items():
        chosen = getattr(settings, kind)
        if chosen.mode == "off":
            continue
        found = list(find(chosen, history))
        findings += found
        if chosen.mode == "review":
            history.flagged |= {award.id for one in found for award in one.awards}
    return Judgement(findings, history.asked)


def mode_of(settings: AnomalySettings, kind: AnomalyType) -> Mode:
    """A detector's mode."""
    mode: Mode = getattr(settings, kind).mode
    return mode
