"""Screening never hides a finding: what it lets pass, the full judgment finds nothing in."""

import math
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
from services.anomaly.domain.detectors import DETECTORS, judge, mode_of, screen
from services.anomaly.domain.deviation import spread_of
from services.anomaly.domain.digests import Digest, make_digest
from services.anomaly.domain.earnings import HISTORY_LIMIT, Earning, RecordedEarning, in_order
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
    *others, last = case.new
    points = {last.points, case.settings.unusual_amount.min_points}
    earlier = [*history_of(case), *(RecordedEarning(one, 0, True) for one in others)]
    screening = screening_of(case.settings, earlier, last)
    spread = None if screening is None else spread_of(screening.earlier_days)
    if screening is not None and spread is not None:
        least = spread.median + case.settings.deviation.score * spread.mad / Decimal("0.6745")
        points.add(math.ceil(least) - screening.day_points + last.points)
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
    is_suspicious, _ = screen(case.settings, digest_of(case, history_of(case)), case.new)
    if is_suspicious:
        return False
    before = judge(case.recorded, case.settings, case.baselines).findings
    after = judge([*case.recorded, *case.new], case.settings, case.baselines).findings
    return list(after) != list(before)


def digest_of(case: Case, history: list[RecordedEarning]) -> Digest:
    return make_digest(history, case.settings.rapid_earning, revision=0, day=case.new[0].day)


@given(case=cases())
@hypothesis_settings(max_examples=2_000, deadline=None)
def test_the_full_judgment_finds_nothing_in_what_is_screened_out(case: Case) -> None:
    assert not hides_a_finding(case)


@given(case=cases())
@hypothesis_settings(max_examples=1_000, deadline=None)
def test_a_digest_gives_the_screenings_of_the_definition(case: Case) -> None:
    """Also after earnings were added to it, and it is then what all of them give."""
    history = history_of(case)
    digest = digest_of(case, history)
    for new in case.new:
        screening = digest.add(new, case.settings.rapid_earning)
        assert screening == screening_of(case.settings, history, new)
        if screening is None:
            return
        history = [*history, RecordedEarning(new, 0, True)]
        assert digest == make_digest(history, case.settings.rapid_earning, revision=0, day=new.day)


def test_the_digest_of_a_cut_history_serves_one_day() -> None:
    """The next day, its oldest earnings have left the baselines."""
    rapid = AnomalySettings().rapid_earning
    history = [
        RecordedEarning(Earning(f"{number:04}", 1, NOON + number * HOUR), 0, True)
        for number in range(HISTORY_LIMIT)
    ]
    last = history[-1].earning
    next_day = last.at - last.at % DAY + DAY
    full = make_digest(history, rapid, revision=0, day=last.day)
    short = make_digest(history[1:], rapid, revision=0, day=last.day)
    assert full.add(Earning("same day", 1, last.at + 1), rapid) is not None
    assert full.add(Earning("next day", 1, next_day), rapid) is None
    assert short.add(Earning("next day", 1, next_day), rapid) is not None


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
