"""Which tier a lifetime holds, and the same as ranges for queries."""

import pytest

from services.earning.domain.programs import Program, Tier
from services.earning.domain.tiers import holds_tier, next_tier, tier_of, tier_spans
from tests.unit.earning.test_programs import VIP, program

TOP = 10**15


@pytest.mark.parametrize(
    ("lifetime", "held", "above"),
    [
        (0, "Bronze", "Silver"),
        (4_999, "Bronze", "Silver"),
        (5_000, "Silver", "Gold"),
        (15_000, "Gold", "Platinum"),
        (50_000, "Platinum", None),
        (TOP, "Platinum", None),
    ],
)
def test_a_tier_is_held_from_its_min_points_on(lifetime: int, held: str, above: str | None) -> None:
    vip = program()
    assert _name(tier_of(vip, lifetime)) == held
    assert _name(next_tier(vip, lifetime)) == above


def test_below_the_lowest_tier_none_is_held_and_the_lowest_is_next() -> None:
    without_bronze = program(tiers=VIP[1:])
    assert tier_of(without_bronze, 4_999) is None
    assert _name(next_tier(without_bronze, 4_999)) == "Silver"


def test_without_tiers_or_without_a_program_no_tier_is_held() -> None:
    assert tier_of(program(tiers=()), TOP) is None
    assert next_tier(program(tiers=()), TOP) is None
    assert tier_of(None, TOP) is None
    assert tier_spans(None) == []


@pytest.mark.parametrize(
    ("lifetime", "tier", "expected"),
    [
        (4_999, "Silver", False),
        (5_000, "Silver", True),
        (50_000, "Silver", True),
        (50_000, "Diamond", False),
    ],
)
def test_a_tier_counts_as_held_by_customers_of_higher_tiers(
    lifetime: int, tier: str, expected: bool
) -> None:
    assert holds_tier(program(), lifetime, tier) is expected


@pytest.mark.parametrize("vip", [program(), program(tiers=VIP[1:]), program(tiers=())])
def test_a_lifetime_is_in_the_span_of_the_tier_that_it_holds(vip: Program) -> None:
    starts = [tier.min_points for tier in VIP]
    for lifetime in {0, TOP, *(start + step for start in starts for step in (-1, 0, 1))}:
        spans = [
            span.tier
            for span in tier_spans(vip)
            if span.lowest <= lifetime and (span.below is None or lifetime < span.below)
        ]
        held = tier_of(vip, lifetime)
        assert spans == ([] if held is None else [held]), lifetime


def _name(tier: Tier | None) -> str | None:
    return None if tier is None else tier.name
