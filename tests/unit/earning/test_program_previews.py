"""What a change of a program would mean, before it is made."""

from bisect import bisect_right
from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from services.earning.domain.program_previews import ProgramPreview, lifetime_bounds, preview
from services.earning.domain.programs import Program, Tier
from tests.unit.earning.test_programs import VIP, program
from tests.unit.earning.test_rule_tables import table

BRONZE, SILVER, GOLD, PLATINUM = VIP
ARGENT = msgspec.structs.replace(SILVER, name="Argent", min_points=4_000)
# The changes of the documentation's table.
CHANGES = {
    "Gold from 10,000": (
        BRONZE,
        SILVER,
        msgspec.structs.replace(GOLD, min_points=10_000),
        PLATINUM,
    ),
    "Gold from 20,000": (
        BRONZE,
        SILVER,
        msgspec.structs.replace(GOLD, min_points=20_000),
        PLATINUM,
    ),
    "without Gold": (BRONZE, SILVER, PLATINUM),
    "Argent instead of Silver, from 4,000": (BRONZE, ARGENT, GOLD, PLATINUM),
    "Wood from 0, Bronze from 100": (
        Tier("Wood", 0, Decimal("0.5")),
        msgspec.structs.replace(BRONZE, min_points=100),
        *VIP[1:],
    ),
    "no tiers": (),
}


def previewed(after: Program, *lifetimes: int) -> ProgramPreview:
    """The change from the default program, for customers with these lifetimes."""
    bounds = lifetime_bounds(program(), after)
    return preview(program(), after, Counter(bisect_right(bounds, each) for each in lifetimes))


def holders(preview: ProgramPreview, column: str) -> list[str]:
    everyone = [*preview.tiers, preview.without_tier]
    return [each.name or "–" for each in everyone if getattr(each, column)]


@pytest.mark.parametrize(
    ("change", "lifetime", "held", "held_after", "move"),
    table("tiers.md", first_heading="change"),
)
def test_a_customer_moves_as_the_documentation_says(
    change: str, lifetime: str, held: str, held_after: str, move: str
) -> None:
    result = previewed(program(tiers=CHANGES[change]), int(lifetime))
    assert holders(result, "customers_before") == [held]
    assert holders(result, "customers_after") == [held_after]
    moves = {"up": (1, 0), "down": (0, 1), "–": (0, 0)}
    assert (result.moves_up, result.moves_down) == moves[move]


def test_each_tier_shows_what_the_next_order_earns_before_and_after() -> None:
    result = previewed(program(rate="12.5", tiers=(BRONZE, SILVER, PLATINUM)), 0, 16_000, 16_000)
    assert [(tier.name, tier.points_before, tier.points_after) for tier in result.tiers] == [
        ("Bronze", 1_000, 1_250),
        ("Silver", 1_500, 1_875),
        ("Gold", 2_000, None),
        ("Platinum", 3_000, 3_750),
    ]
    counts = [(tier.customers_before, tier.customers_after) for tier in result.tiers]
    assert counts == [(1, 1), (0, 2), (2, 0), (0, 0)]
    assert (result.without_tier.points_before, result.without_tier.points_after) == (1_000, 1_250)


def test_an_inactive_program_earns_nothing_and_moves_nobody() -> None:
    result = previewed(program(is_active=False), 16_000)
    assert {tier.points_after for tier in result.tiers} == {None}
    assert (result.moves_up, result.moves_down) == (0, 0)
