"""Scores are evaluated correctly, and the replay runs the detectors as the service does."""

from decimal import Decimal
from typing import Any

import pytest

from libs.contracts.anomalies import AnomalySettings
from tools.quality import baseline_detectors, replay
from tools.quality.cli import EVALUATION_SEEDS, TUNING_SEEDS, replace_tables
from tools.quality.evaluation import average_precision, evaluate
from tools.quality.simulator import SHOPS, Earning, simulate

DAY_MS = 86_400_000


def earning(points: int, *, day: float = 0, label: Any = None) -> Earning:
    at = int(day * DAY_MS)
    return Earning(f"{at}-{points}", "c", points, at, label)


def test_no_seed_is_used_for_both_tuning_and_evaluation() -> None:
    assert not set(TUNING_SEEDS) & set(EVALUATION_SEEDS)


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([True, True, False], 1.0),
        ([False, True], 0.5),
        ([True, False, True, False], (1 + 2 / 3) / 2),
        ([False, False], 0.0),
    ],
)
def test_average_precision_of_worked_examples(hits: list[bool], expected: float) -> None:
    assert average_precision(hits) == pytest.approx(expected)


def test_the_evaluation_of_a_worked_example() -> None:
    earnings = [
        Earning("a", "c", 10, 0, "burst"),
        Earning("b", "c", 10, 1),
        Earning("c", "c", 10, 2, "inflated"),
        Earning("d", "c", 10, 3),
    ]
    evaluation = evaluate(earnings, [0.9, 0.8, 0.7, 0.1], flags=2)
    assert (evaluation.precision, evaluation.recall) == (0.5, 0.5)
    assert evaluation.recall_by_kind == {"burst": 1.0, "inflated": 0.0, "farming": 0.0}
    assert evaluation.average_precision_by_kind["inflated"] == pytest.approx(0.5)
    assert evaluation.average_precision == pytest.approx((1 + 2 / 3) / 2)


def test_earnings_that_the_settings_flag_score_at_least_one() -> None:
    earnings = simulate(1, SHOPS[0], customers=40)
    settings = AnomalySettings()
    flagged = replay.flag(earnings, settings)
    ids = (earning.id for earning in earnings)
    scores = dict(zip(ids, replay.score(earnings, settings), strict=True))
    assert all(flagged[kind] for kind in ("rapid_earning", "unusual_amount"))
    assert set().union(*flagged.values()) <= {id_ for id_, score in scores.items() if score >= 1}
    assert all(0 <= score <= max(replay.SCALES) for score in scores.values())


def test_a_scale_changes_every_threshold_and_no_other_setting() -> None:
    settings = replay.scale_thresholds(AnomalySettings(), 2.0)
    assert settings.rapid_earning.count == 20
    assert settings.unusual_amount.factor == Decimal(20)
    assert settings.deviation.score == Decimal(12)
    assert settings.rapid_earning.window_seconds == 120
    assert replay.scale_thresholds(AnomalySettings(), 1.0) == AnomalySettings()


def test_flagged_awards_are_excluded_from_the_store_s_baseline() -> None:
    """Huge awards of other customers would make the newcomer's look normal, were they included."""
    usual = [Earning(f"u{number}", f"u{number}", 200, number, None) for number in range(5)]
    huge = [Earning(f"h{number}", f"h{number}", 9_000, 10 + number, None) for number in range(6)]
    newcomer = Earning("n", "n", 2_500, 20, None)
    flagged = replay.flag([*usual, *huge, newcomer], AnomalySettings())["unusual_amount"]
    assert "n" in flagged


def test_features_count_the_whole_day_and_burst() -> None:
    """Four awards a minute apart, and one two hours later: the features of the first count all."""
    minute = 1 / 1_440
    first, *_ = baseline_detectors.features(
        [earning(100, day=part * minute) for part in (0, 1, 2, 3, 120)]
    )
    assert (first["minutes"], first["hour"], first["day"]) == (3.0, 4.0, 5.0)


def test_the_ratio_is_to_earlier_awards_only() -> None:
    rows = baseline_detectors.features([earning(100), earning(400, day=1), earning(100, day=2)])
    assert [round(row["ratio"], 3) for row in rows] == [0.0, 1.386, -1.386]


def test_tuned_limits_separate_abuse_best() -> None:
    """Large awards are honest here and many on a day are not, so the count must decide."""
    honest = [earning(9_000 + day, day=day) for day in range(400)]
    abuse = [earning(50 + part, day=401 + part / 24, label="farming") for part in range(6)]
    history = [*honest, *abuse]
    limits = baseline_detectors.tune_limits([history])
    scores = baseline_detectors.fixed_limits(limits, history)
    assert evaluate(history, scores, flags=0).average_precision == 1.0


def test_without_known_abuse_a_limit_is_what_one_award_in_two_hundred_exceeds() -> None:
    points, count = baseline_detectors.rare_limits(
        [[earning(1 + day, day=day) for day in range(1_000)]]
    )
    assert points == pytest.approx(996)
    assert count == 1.0


def test_a_z_score_compares_with_the_customer_s_earlier_awards() -> None:
    scores = baseline_detectors.z_score(
        [earning(p, day=n) for n, p in enumerate([10, 20, 10, 20, 15, 40])]
    )
    assert scores[-1] == pytest.approx(25 / 20**0.5)


def test_only_the_text_between_the_markers_is_replaced() -> None:
    page = "before\n<!-- quality -->\nold\n<!-- /quality -->\nafter\n"
    assert (
        replace_tables(page, "new") == "before\n<!-- quality -->\nnew\n<!-- /quality -->\nafter\n"
    )
