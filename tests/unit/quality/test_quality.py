"""The simulator repeats itself, labels what it planted, and scores are judged right."""

import pytest

from libs.contracts.anomalies import AnomalySettings
from tools.quality.cli import JUDGING, TUNING
from tools.quality.judge import average_precision, verdict
from tools.quality.ours import scaled, scores
from tools.quality.simulator import KINDS, Earning, simulate


def test_the_same_seed_is_the_same_shop_and_another_is_another() -> None:
    assert simulate(1, customers=40, days=60) == simulate(1, customers=40, days=60)
    assert simulate(1, customers=40, days=60) != simulate(2, customers=40, days=60)


def test_each_kind_of_abuse_is_planted_and_labelled_and_most_is_honest() -> None:
    earnings = simulate(1, customers=100)
    assert {one.label for one in earnings} == {None, *KINDS}
    inflated = [one for one in earnings if one.label == "inflated"]
    assert len(inflated) == len({one.customer_id for one in inflated}) == 5
    assert sum(one.label is None for one in earnings) > 0.8 * len(earnings)
    assert len({one.id for one in earnings}) == len(earnings)
    assert [one.at for one in earnings] == sorted(one.at for one in earnings)


def test_what_is_tuned_by_is_not_what_is_judged_by() -> None:
    assert not set(TUNING) & set(JUDGING)


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([True, True, False], 1.0),
        ([False, True], 0.5),
        ([True, False, True, False], (1 + 2 / 3) / 2),
        ([False, False], 0.0),
    ],
)
def test_average_precision_by_hand(hits: list[bool], expected: float) -> None:
    assert average_precision(hits) == pytest.approx(expected)


def test_a_verdict_by_hand() -> None:
    earnings = [
        Earning("a", "c", 10, 0, "burst"),
        Earning("b", "c", 10, 1),
        Earning("c", "c", 10, 2, "inflated"),
        Earning("d", "c", 10, 3),
    ]
    judged = verdict(earnings, [0.9, 0.8, 0.7, 0.1], flags=2)
    assert (judged.precision, judged.recall) == (0.5, 0.5)
    assert judged.recall_of == {"burst": 1.0, "inflated": 0.0, "farming": 0.0}
    assert judged.average_of["inflated"] == pytest.approx(0.5)
    assert judged.average == pytest.approx((1 + 2 / 3) / 2)


def test_the_shipped_settings_are_the_scale_of_one_and_find_what_is_planted() -> None:
    assert scaled(1.0) == AnomalySettings()
    earnings = simulate(1, customers=40)
    found = scores(earnings)
    flagged = {one.label for one in earnings if found[one.id] >= 1}
    assert {"burst", "inflated"} <= flagged
