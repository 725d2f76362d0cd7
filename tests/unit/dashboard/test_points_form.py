"""Awards and adjustments: what the form reads, when it sends, and what it says would happen."""

from datetime import date
from typing import Any

import pytest
from msgspec import UNSET

from services.dashboard.domain.points_form import (
    Account,
    Effect,
    Entry,
    TierLimit,
    effect_of,
    last_day,
    next_step,
    problems,
)

TIERS = (TierLimit("Bronze", 0), TierLimit("Silver", 5_000), TierLimit("Gold", 15_000))


@pytest.mark.parametrize(
    ("points", "amount"),
    [
        ("500", 500),
        ("+500", 500),
        ("1,500", 1_500),
        (" 1 500 ", 1_500),
        ("1,000,000,000", 1_000_000_000),
        ("1,000,000,001", None),
        ("1,5", None),
        ("1.5", None),
        ("-5", None),
        ("0", None),
        ("", None),
        ("٣", None),
        ("1e3", None),
    ],
)
def test_only_what_is_certainly_a_number_of_points_is_read(points: str, amount: int | None) -> None:
    entry = Entry(points=points, reason="Goodwill")
    assert entry.amount == amount
    assert ("points" in problems(entry)) is (amount is None)


def test_a_reason_is_required_and_bounded() -> None:
    assert problems(Entry(points="1")) == ["reason"]
    assert problems(Entry(points="1", reason="x" * 256)) == ["reason"]
    assert problems(Entry(points="1", reason="x" * 255)) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, UNSET, id="the program's rule"),
        pytest.param({"expires_on": "2027-03-31"}, UNSET, id="a date left from before"),
        pytest.param({"expires": "never", "expires_on": "x"}, None, id="never"),
        pytest.param({"expires": "date", "expires_on": "2027-03-31"}, date(2027, 3, 31), id="day"),
        pytest.param({"expires": "date", "direction": "remove"}, UNSET, id="removed"),
    ],
)
def test_points_have_the_last_day_that_was_chosen(values: dict[str, Any], expected: object) -> None:
    entry = Entry(points="500", reason="Goodwill", **values)
    assert problems(entry) == []
    assert last_day(entry) is expected or last_day(entry) == expected


@pytest.mark.parametrize("text", ["", "31.3.2027", "2027-02-30", "20270331"])
def test_a_last_day_that_is_no_day_is_an_error_of_its_field(text: str) -> None:
    entry = Entry(points="500", reason="Goodwill", expires="date", expires_on=text)
    assert problems(entry) == ["expires_on"]


@pytest.mark.parametrize(
    ("entry", "step"),
    [
        pytest.param(Entry(points="500"), "edit", id="its effect was not shown"),
        pytest.param(Entry(points="500", preview="400"), "edit", id="that of another was shown"),
        pytest.param(Entry(points="500", preview="-500"), "edit", id="in the other direction"),
        pytest.param(Entry(points="9,999", preview="9999"), "send", id="seen"),
        pytest.param(Entry(points="10,000", preview="10000"), "confirm", id="large"),
        pytest.param(
            Entry(points="10000", preview="-10000", direction="remove"), "confirm", id="removed"
        ),
        pytest.param(
            Entry(points="10000", preview="10000", is_confirmed=True), "send", id="confirmed"
        ),
        pytest.param(
            Entry(points="20000", preview="10000", is_confirmed=True), "edit", id="changed after"
        ),
        pytest.param(Entry(points="10000", is_locked=True), "send", id="repeated"),
    ],
)
def test_nothing_is_sent_before_its_effect_was_seen(entry: Entry, step: str) -> None:
    assert next_step(entry) == step


def test_an_award_raises_the_lifetime_points_and_perhaps_the_tier() -> None:
    before = Account(3_000, 4_900, "Bronze")
    assert effect_of("award", 99, before, TIERS).after == Account(3_099, 4_999, "Bronze")
    assert effect_of("award", 100, before, TIERS).after == Account(3_100, 5_000, "Silver")
    assert effect_of("award", 90_000, before, TIERS).after.tier == "Gold"
    assert effect_of("award", 90_000, before, None).after.tier == "Bronze"


def test_a_release_raises_the_lifetime_points_as_an_award_does() -> None:
    before = Account(0, 4_900, "Bronze")
    assert effect_of("release", 500, before, TIERS).after == Account(500, 5_400, "Silver")


def test_an_adjustment_changes_only_the_balance_and_stops_at_zero() -> None:
    before = Account(3_000, 4_900, "Bronze")
    assert effect_of("adjust", 500, before, TIERS) == Effect(
        500, before, Account(3_500, 4_900, "Bronze")
    )
    assert not effect_of("adjust", -3_000, before, TIERS).is_below_zero
    assert effect_of("adjust", -3_001, before, TIERS).is_below_zero
    # Giving points to a balance that a refund took below zero is possible.
    assert not effect_of("adjust", 100, Account(-500, 0), TIERS).is_below_zero
