"""Screening never hides a finding: what it lets pass, the full judgment finds nothing in."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, find, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from libs.contracts.anomalies import (
    ANOMALY_TYPES,
    PARAMETER_BOUNDS,
    AnomalySettings,
    AnomalyType,
    Decimals,
    ParameterBound,
)
from services.anomaly.domain.baselines import Baseline
from services.anomaly.domain.detectors import DETECTORS, judge, mode_of, must_judge
from services.anomaly.domain.earnings import Earning, RecordedEarning, in_order
from services.anomaly.domain.windows import Digest, screen_by_digest
from tests.unit.anomaly.earnings import NOON
from tests.unit.anomaly.screenings import screening_of

# Parameters stay this close to their lower bound, where a few small earnings reach them.
NARROW = 2
SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000


class Case(Struct, frozen=True):
    """A customer's recorded earnings, new ones, and the store's settings and baselines."""

    settings: AnomalySettings
    recorded: list[Earning]
    new: list[Earning]
    baselines: dict[str, Baseline]


def parameter(bound: ParameterBound) -> st.SearchStrategy[Any]:
    if isinstance(bound, Decimals):
        tenths = st.integers(10 * bound.above + 1, 10 * (bound.above + NARROW))
        return tenths.map(lambda value: Decimal(value) / 10)
    return st.integers(bound.low, min(bound.high, bound.low + NARROW))


@st.composite
def settings_of_all(draw: st.DrawFn) -> AnomalySettings:
    """Settings of every detector in the registry; often all but one are off, so that no detector
    hides the mistakes of another."""
    alone = draw(st.sampled_from([None, *ANOMALY_TYPES]))
    detectors = {}
    for kind in ANOMALY_TYPES:
        detector = type(getattr(AnomalySettings(), kind))
        parameters = {name: draw(parameter(b)) for name, b in PARAMETER_BOUNDS[detector].items()}
        mode = draw(st.sampled_from(["review", "shadow"])) if alone in {None, kind} else "off"
        detectors[kind] = detector(mode=mode, **parameters)
    return AnomalySettings(**detectors)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    settings = draw(settings_of_all())
    window = settings.rapid_earning.window_seconds * SECOND
    gap = st.sampled_from([0, window, window + 1, HOUR, DAY, DAY, None])
    size = draw(st.integers(1, 12))
    earnings: list[Earning] = []
    at = NOON
    for number in range(size):
        # None is the time until a second before midnight, from where a window ends on another day.
        step = draw(gap)
        at += (-at - SECOND) % DAY if step is None else step
        # A few are excluded or exempt, as those of anomalies that people reviewed.
        excluded = draw(st.integers(0, 9)) == 0
        exempt = draw(st.sets(st.sampled_from(ANOMALY_TYPES))) if excluded else set[AnomalyType]()
        points = draw(st.integers(1, 6))
        earnings.append(Earning(f"{number:02}", points, at, excluded, frozenset(exempt)))
    # The last ones are new; in some cases any others, which are late.
    late = draw(st.sampled_from([False, False, False, True]))
    by_arrival = draw(st.permutations(earnings)) if late else earnings
    count = draw(st.sampled_from([1, 1, 2, 3]))
    recorded = by_arrival[:-count]
    new = [Earning(one.id, one.points, one.at) for one in by_arrival[-count:]]
    median, history = draw(st.integers(0, 4)), draw(st.integers(0, 6))
    baselines = {one.id: Baseline(Decimal(median), history) for one in earnings}
    case = Case(settings, recorded, new, baselines)
    points = draw(st.sampled_from(critical_points(case)))
    return replace(case, new=[*new[:-1], replace(new[-1], points=points)])


def critical_points(case: Case) -> list[int]:
    """Points for the last new earning: any, and those at which detectors begin to flag."""
    last = case.new[-1]
    screening = screening_of(case.settings, history_of(case), case.new)
    points = {last.points, case.settings.unusual_amount.min_points}
    if screening.day_limit is not None:
        points.add(screening.day_limit - screening.day_points + last.points)
    return sorted(max(one, 1) for one in points)


def history_of(case: Case) -> list[RecordedEarning]:
    """The recorded earnings after their judgment."""
    flagged = {
        earning.id
        for finding in judge(case.recorded, case.settings, case.baselines).findings
        if mode_of(case.settings, finding.type) == "review"
        for earning in finding.earnings
    }
    return [
        RecordedEarning(one, 0, not one.excluded and one.id not in flagged)
        for one in in_order(case.recorded)
    ]


def hides_a_finding(case: Case) -> bool:
    """Whether screening lets the new earnings pass although they change what is found."""
    history = history_of(case)
    screenings = [screening_of(case.settings, history, case.new)]
    by_digest = screen_by_digest(case.settings, digest_of(history), case.new)
    if by_digest is not None:
        screenings.append(by_digest)
    if all(must_judge(case.settings, screening) for screening in screenings):
        return False
    before = judge(case.recorded, case.settings, case.baselines).findings
    after = judge([*case.recorded, *case.new], case.settings, case.baselines).findings
    return list(after) != list(before)


def digest_of(history: list[RecordedEarning]) -> Digest:
    days: dict[int, int] = {}
    for one in history:
        if one.in_baselines:
            days[one.earning.day] = days.get(one.earning.day, 0) + one.earning.points
    return Digest(history[-1].earning.at if history else None, days)


@given(case=cases())
@hypothesis_settings(max_examples=2_000, deadline=None)
def test_the_full_judgment_finds_nothing_in_what_is_screened_out(case: Case) -> None:
    assert not hides_a_finding(case)


@pytest.mark.parametrize("kind", ANOMALY_TYPES)
def test_a_detector_whose_screening_hides_its_findings_is_noticed(
    kind: AnomalyType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: without a detector's screening, the same cases show what it hides."""
    blind = staticmethod(lambda _settings, _screening: False)
    monkeypatch.setattr(DETECTORS[kind], "may_flag", blind)
    # Any case will do, so none is simplified.
    quick = hypothesis_settings(max_examples=5_000, phases=[Phase.generate])
    assert find(cases(), hides_a_finding, settings=quick)
