"""Scores are judged right, and the detectors are replayed as the service runs them."""

from decimal import Decimal

import pytest

from libs.contracts.anomalies import AnomalySettings
from tools.quality import ours, rivals
from tools.quality.cli import JUDGING, TUNING, replaced
from tools.quality.judge import average_precision, verdict
from tools.quality.simulator import SHOPS, Earning, simulate

DAY_MS = 86_400_000


def earning(points: int, *, day: float = 0, label: str | None = None) -> Earning:
    at = int(day * DAY_MS)
    return Earning(f"{at}-{points}", "c", points, at, label)


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


def test_a_score_of_one_is_what_the_settings_flag() -> None:
    earnings = simulate(1, SHOPS[0], customers=40)
    settings = AnomalySettings()
    flagged = ours.flagged(earnings, settings)
    scores = dict(zip((one.id for one in earnings), ours.scores(earnings, settings), strict=True))
    assert all(flagged[kind] for kind in ("rapid_earning", "unusual_amount"))
    ids = set().union(*flagged.values())
    assert ids <= {id_ for id_, score in scores.items() if score >= 1}
    assert all(0 <= score <= max(ours.SCALES) for score in scores.values())


def test_a_scale_moves_every_threshold_and_nothing_else() -> None:
    settings = ours.scaled(AnomalySettings(), 2.0)
    assert settings.rapid_earning.count == 20
    assert settings.unusual_amount.factor == Decimal(20)
    assert settings.deviation.score == Decimal(12)
    assert settings.rapid_earning.window_seconds == 120
    assert ours.scaled(AnomalySettings(), 1.0) == AnomalySettings()


def test_what_is_flagged_is_out_of_the_store_s_baseline() -> None:
    """Huge awards of others would make the newcomer's normal; once they are flagged, not."""
    usual = [Earning(f"u{number}", f"u{number}", 200, number, None) for number in range(5)]
    huge = [Earning(f"h{number}", f"h{number}", 9_000, 10 + number, None) for number in range(6)]
    newcomer = Earning("n", "n", 2_500, 20, None)
    flagged = ours.flagged([*usual, *huge, newcomer], AnomalySettings())["unusual_amount"]
    assert "n" in flagged


def test_rivals_see_the_whole_day_and_burst_too() -> None:
    """Four awards a minute apart, and one two hours later: the first is told of all."""
    minute = 1 / 1_440
    first, *_ = rivals.features([earning(100, day=part * minute) for part in (0, 1, 2, 3, 120)])
    assert (first["minutes"], first["hour"], first["day"]) == (3.0, 4.0, 5.0)


def test_habits_are_those_of_before() -> None:
    rows = rivals.features([earning(100), earning(400, day=1), earning(100, day=2)])
    assert [round(row["ratio"], 3) for row in rows] == [0.0, 1.386, -1.386]


def test_thresholds_are_those_that_tell_best() -> None:
    """Large awards are honest here and many on a day are not; so the count must decide."""
    honest = [earning(9_000 + day, day=day) for day in range(400)]
    abuse = [earning(50 + part, day=401 + part / 24, label="farming") for part in range(6)]
    history = [*honest, *abuse]
    scores = rivals.fixed_thresholds(rivals.thresholds([history]), history)
    assert verdict(history, scores, flags=0).average == 1.0


def test_where_no_abuse_is_known_one_in_two_hundred_is_rare() -> None:
    points, count = rivals.rare([[earning(1 + day, day=day) for day in range(1_000)]])
    assert points == pytest.approx(996)
    assert count == 1.0


def test_a_z_score_is_of_the_customer_s_earlier_awards() -> None:
    scores = rivals.z_score([earning(p, day=n) for n, p in enumerate([10, 20, 10, 20, 15, 40])])
    assert scores[-1] == pytest.approx(25 / 20**0.5)


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = "before\n<!-- quality -->\nold\n<!-- /quality -->\nafter\n"
    assert replaced(page, "new") == "before\n<!-- quality -->\nnew\n<!-- /quality -->\nafter\n"
