"""Judging a customer's earnings: bursts, baselines, modes, and any order of arrival."""

import random
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.contracts.anomalies import AnomalySettings, Deviation, RapidEarning, UnusualAmount
from services.anomaly.domain.awards import Award, Baseline, Finding
from services.anomaly.domain.detectors import DETECTORS, judge
from tests.unit.anomaly.earnings import amounts, award, days, every

SHIPPED = AnomalySettings()


def kinds(awards: list[Award], chosen: AnomalySettings = SHIPPED) -> list[str]:
    return [one.type for one in judge(awards, chosen).findings]


def test_every_detector_has_settings() -> None:
    assert tuple(DETECTORS) == AnomalySettings.__struct_fields__


def test_windows_that_share_an_earning_are_one_burst() -> None:
    first, second = every(1, 10), [award(second=100 + n, id=f"b{n}") for n in range(10)]
    (burst,) = judge([*first, *second], SHIPPED).findings
    assert len(burst.awards) == 20


def test_windows_that_share_none_are_two_bursts() -> None:
    first, second = every(1, 10), [award(second=1_000 + n, id=f"b{n}") for n in range(10)]
    bursts = judge([*first, *second], SHIPPED).findings
    assert [len(one.awards) for one in bursts] == [10, 10]


def test_an_earning_counts_once_however_often_it_comes() -> None:
    assert kinds(every(1, 9) * 3) == []


def test_any_order_gives_the_same_findings() -> None:
    awards = [*every(1, 12), *amounts([500] * 6), *days([1_000] * 20), award(90_000, day=25)]
    in_order = judge(awards, SHIPPED).findings
    assert {one.type for one in in_order} == {"rapid_earning", "unusual_amount", "deviation"}
    seed = random.randrange(10**6)
    print("seed", seed)
    shuffled = random.Random(seed)
    for _ in range(20):
        shuffled.shuffle(awards)
        assert judge(awards, SHIPPED).findings == in_order


def test_flagged_earnings_stay_out_of_the_baseline() -> None:
    # With the flagged ones in it, the median would be 50,000 and nothing unusual.
    awards = amounts([500] * 5 + [50_000] * 20)
    assert kinds(awards) == ["unusual_amount"] * 20


def test_excluded_earnings_stay_out_of_the_baseline() -> None:
    few = [
        award(9_000, second=number * 200, excluded=True, id=f"x{number}") for number in range(-9, 0)
    ]
    assert kinds([*few, *amounts([500] * 5), award(5_000, second=90_000)]) == ["unusual_amount"]


def test_settled_earnings_count_in_no_window() -> None:
    ten = every(1, 10)
    judged = frozenset({"rapid_earning"})
    settled = [msgspec.structs.replace(one, settled_for=judged) for one in ten]
    nine = [award(second=20 + number, id=f"c{number}") for number in range(9)]
    assert kinds(settled) == []
    assert kinds([*settled, *nine]) == []
    assert kinds([*settled, *nine, award(second=30, id="c9")]) == ["rapid_earning"]


def test_settled_and_approved_earnings_are_normal() -> None:
    high = amounts([500] * 5 + [50_000] * 6)
    judged = frozenset({"unusual_amount"})
    approved = [msgspec.structs.replace(one, settled_for=judged) for one in high[5:]]
    later = award(50_000, second=100_000)
    assert kinds([*high[:5], *approved, later]) == []


def test_an_earning_whose_store_baseline_is_unknown_is_asked_for() -> None:
    few = amounts([500, 500, 9_000])
    judgement = judge(few, SHIPPED)
    assert (list(judgement.findings), judgement.asked) == ([], [few[2]])
    known = {few[2].id: Baseline(Decimal(300), 40)}
    again = judge(few, SHIPPED, known)
    assert [one.type for one in again.findings] == ["unusual_amount"]
    assert again.asked == []


@pytest.mark.parametrize("mode", ["off", "shadow", "review"])
def test_modes(mode: str) -> None:
    chosen = AnomalySettings(rapid_earning=RapidEarning(mode=mode))
    assert kinds(every(1, 10), chosen) == ([] if mode == "off" else ["rapid_earning"])


def test_shadow_changes_nothing_for_the_other_detectors() -> None:
    awards = [*every(1, 10), award(5_000, second=4_000)]
    loud = judge(awards, SHIPPED).findings
    silent = judge(awards, AnomalySettings(rapid_earning=RapidEarning(mode="shadow"))).findings
    # In review the burst is no baseline for the amount; in shadow it is.
    assert [one.type for one in loud] == ["rapid_earning"]
    assert [one.type for one in silent] == ["rapid_earning", "unusual_amount"]


def test_evidence_holds_what_it_was_judged_by() -> None:
    found: list[Finding] = list(judge(every(1, 10), SHIPPED).findings)
    found += judge(amounts([400, 500, 500, 500, 601, 50_005]), SHIPPED).findings
    assert [one.evidence for one in found] == [
        {"transactions": 10, "seconds": 9.0, "count": 10, "window_seconds": 120},
        {
            "points": 50_005,
            "median": 500,
            "history": 5,
            "baseline": "customer",
            "times": 100,
            "factor": 10,
        },
    ]


@given(
    seconds=st.lists(st.integers(0, 600), max_size=40),
    count=st.integers(2, 6),
    window=st.integers(1, 200),
)
@settings(max_examples=300, deadline=None)
def test_bursts_are_those_of_the_definition(seconds: list[int], count: int, window: int) -> None:
    awards = [award(second=at, id=f"{n:03}") for n, at in enumerate(seconds)]
    chosen = AnomalySettings(
        rapid_earning=RapidEarning(count=count, window_seconds=window),
        unusual_amount=UnusualAmount(mode="off"),
        deviation=Deviation(mode="off"),
    )
    bursts = [{one.id for one in burst.awards} for burst in judge(awards, chosen).findings]
    # The definition, word by word: windows from every earning on, and those that share are one.
    wanted: list[set[str]] = []
    for start in awards:
        held = {one.id for one in awards if 0 <= one.at - start.at <= window * 1_000}
        if len(held) >= count:
            joined = [one for one in wanted if one & held]
            wanted = [one for one in wanted if not one & held] + [held.union(*joined)]
    assert sorted(map(sorted, bursts)) == sorted(map(sorted, wanted))
