"""The form of the detectors' settings."""

from decimal import Decimal

from services.dashboard.domain import detectors
from whale_loyalty.models import AnomalySettings, Deviation, RapidEarning, UnusualAmount

SETTINGS = AnomalySettings(
    rapid_earning=RapidEarning(mode="review", count=10, window_seconds=120),
    unusual_amount=UnusualAmount(
        mode="shadow", factor=Decimal("10.50"), min_history=5, min_points=1_000
    ),
    deviation=Deviation(mode="off", score=Decimal(60), min_days=14),
    version=3,
)


def test_the_form_shows_the_settings_and_sends_them_back() -> None:
    values = detectors.values_of(SETTINGS)
    assert values["unusual_amount.factor"] == "10.5"
    assert values["deviation.score"] == "60"
    assert detectors.settings_from(values) == {
        "rapid_earning": {"mode": "review", "count": 10, "window_seconds": 120},
        "unusual_amount": {
            "mode": "shadow",
            "min_points": 1_000,
            "factor": Decimal("10.5"),
            "min_history": 5,
        },
        "deviation": {"mode": "off", "score": 60, "min_days": 14},
    }
    assert detectors.not_numbers(values) == []


def test_what_is_no_number_is_named() -> None:
    values = detectors.values_of(SETTINGS) | {
        "rapid_earning.count": "many",
        "unusual_amount.min_points": "12,500",
        "deviation.score": "NaN",
    }
    assert detectors.not_numbers(values) == ["rapid_earning.count", "deviation.score"]
    assert detectors.settings_from(values)["unusual_amount"]["min_points"] == 12_500
    assert detectors.differences(values, detectors.values_of(SETTINGS)) == {
        "rapid_earning.count": "10",
        "unusual_amount.min_points": "1000",
        "deviation.score": "60",
    }


def test_an_error_belongs_to_its_field() -> None:
    assert detectors.field_of("#/settings/deviation/score") == "deviation.score"
    assert detectors.field_of("#/rapid_earning/count") == "rapid_earning.count"


def test_a_sentence_has_its_fields_in_it() -> None:
    assert detectors.sentence("Flag {count} or more.") == [("Flag ", "count"), (" or more.", "")]
