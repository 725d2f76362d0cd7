"""Judging a customer's earnings: bursts, baselines, modes, and any order of arrival."""

import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.contracts.anomalies import AnomalySettings, Deviation, RapidEarning, UnusualAmount
from services.anomaly.domain.baselines import Baseline
from services.anomaly.domain.detectors import DETECTORS, judge
from services.anomaly.domain.earnings import Earning
from services.anomaly.domain.findings import Finding
from tests.unit.anomaly.earnings import amounts, days, earning, every

DEFAULTS = AnomalySettings()


def kinds(earnings: list[Earning], tried: AnomalySettings = DEFAULTS) -> list[str]:
    return [one.type for one in judge(earnings, tried).findings]


def test_every_detector_has_settings() -> None:
    assert tuple(DETECTORS) == AnomalySettings.__struct_fields__


def test_windows_that_share_an_earning_are_one_burst() -> None:
    first, second = every(1, 10), [earning(second=100 + n, id=f"b{n}") for n in range(10)]
    (burst,) = judge([*first, *second], DEFAULTS).findings
    assert len(burst.earnings) == 20


def test_windows_that_share_none_are_two_bursts() -> None:
    first, second = every(1, 10), [earning(second=1_000 + n, id=f"b{n}") for n in range(10)]
    bursts = judge([*first, *second], DEFAULTS).findings
    assert [len(one.earnings) for one in bursts] == [10, 10]


def test_a_duplicate_earning_counts_once() -> None:
    assert kinds(every(1, 9) * 3) == []


def test_any_order_gives_the_same_findings() -> None:
    earnings = [*every(1, 12), *amounts([500] * 6), *days([1_000] * 20), earning(90_000, day=25)]
    in_order = judge(earnings, DEFAULTS).findings
    assert {one.type for one in in_order} == {"rapid_earning", "unusual_amount", "deviation"}
    seed = random.randrange(10**6)
    print("seed", seed)
    shuffled = random.Random(seed)
    for _ in range(20):
        shuffled.shuffle(earnings)
        assert judge(earnings, DEFAULTS).findings == in_order


def test_flagged_earnings_stay_out_of_the_baseline() -> None:
    # With the flagged ones in it, the median would be 50,000 and nothing unusual.
    earnings = amounts([500] * 5 + [50_000] * 20)
    assert kinds(earnings) == ["unusual_amount"] * 20


def test_excluded_earnings_stay_out_of_the_baseline() -> None:
    few = [
        earning(9_000, second=number * 200, excluded=True, id=f"x{number}")
        for number in range(-9, 0)
    ]
    assert kinds([*few, *amounts([500] * 5), earning(5_000, second=90_000)]) == ["unusual_amount"]


def test_exempt_earnings_count_in_no_window() -> None:
    ten = every(1, 10)
    rapid = frozenset({"rapid_earning"})
    exempt = [msgspec.structs.replace(one, exempt_from=rapid) for one in ten]
    nine = [earning(second=20 + number, id=f"c{number}") for number in range(9)]
    assert kinds(exempt) == []
    assert kinds([*exempt, *nine]) == []
    assert kinds([*exempt, *nine, earning(second=30, id="c9")]) == ["rapid_earning"]


def test_exempt_and_approved_earnings_are_normal() -> None:
    high = amounts([500] * 5 + [50_000] * 6)
    unusual = frozenset({"unusual_amount"})
    approved = [msgspec.structs.replace(one, exempt_from=unusual) for one in high[5:]]
    later = earning(50_000, second=100_000)
    assert kinds([*high[:5], *approved, later]) == []


def test_an_earning_without_its_store_baseline_is_missing() -> None:
    few = amounts([500, 500, 9_000])
    judgment = judge(few, DEFAULTS)
    assert (list(judgment.findings), judgment.missing) == ([], [few[2]])
    again = judge(few, DEFAULTS, {few[2].id: Baseline(Decimal(300), 40)})
    assert [one.type for one in again.findings] == ["unusual_amount"]
    assert again.missing == []


@pytest.mark.parametrize("mode", ["off", "shadow", "review"])
def test_modes(mode: Any) -> None:
    tried = AnomalySettings(rapid_earning=RapidEarning(mode=mode))
    assert kinds(every(1, 10), tried) == ([] if mode == "off" else ["rapid_earning"])


def test_shadow_changes_nothing_for_the_other_detectors() -> None:
    earnings = [*every(1, 10), earning(5_000, second=4_000)]
    in_review = judge(earnings, DEFAULTS).findings
    in_shadow = judge(earnings, AnomalySettings(rapid_earning=RapidEarning(mode="shadow"))).findings
    # In review the burst is no baseline for the amount; in shadow it is.
    assert [one.type for one in in_review] == ["rapid_earning"]
    assert [one.type for one in in_shadow] == ["rapid_earning", "unusual_amount"]


def test_evidence_holds_the_numbers_that_decided() -> None:
    findings: list[Finding] = list(judge(every(1, 10), DEFAULTS).findings)
    findings += judge(amounts([400, 500, 500, 500, 601, 50_005]), DEFAULTS).findings
    assert [one.evidence for one in findings] == [
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
    earnings = [earning(second=at, id=f"{n:03}") for n, at in enumerate(seconds)]
    tried = AnomalySettings(
        rapid_earning=RapidEarning(count=count, window_seconds=window),
        unusual_amount=UnusualAmount(mode="off"),
        deviation=Deviation(mode="off"),
    )
    bursts = [{one.id for one in burst.earnings} for burst in judge(earnings, tried).findings]
    # The definition, literally: a window from each earning on; windows that share one are joined.
    expected: list[set[str]] = []
    for start in earnings:
        window_ids = {one.id for one in earnings if 0 <= one.at - start.at <= window * 1_000}
        if len(window_ids) >= count:
            joined = [one for one in expected if one & window_ids]
            expected = [one for one in expected if not one & window_ids] + [
                window_ids.union(*joined)
            ]
    assert sorted(map(sorted, bursts)) == sorted(map(sorted, expected))
