"""The worked tables of docs/rules, row by row."""

from decimal import Decimal
from pathlib import Path

import pytest

from services.earning.domain.tiers import next_tier, tier_of
from tests.unit.earning.test_programs import program

RULES = Path(__file__).parents[3] / "docs" / "rules"


def table(page: str, *, first_heading: str) -> list[list[str]]:
    """The rows of the table whose first column has that heading."""
    lines = (RULES / page).read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.mark.parametrize(
    ("total", "rate", "lifetime", "held", "points"), table("award.md", first_heading="total")
)
def test_an_order_is_worth_what_the_documentation_says(
    total: str, rate: str, lifetime: str, held: str, points: str
) -> None:
    vip = program(rate=rate)
    tier = tier_of(vip, int(lifetime))
    assert tier is not None
    assert f"{tier.name} ×{tier.multiplier}" == held
    assert vip.price(Decimal(total), tier) == int(points)


@pytest.mark.parametrize(
    ("lifetime", "held", "above", "needed"), table("tiers.md", first_heading="lifetime")
)
def test_a_tier_is_held_as_the_documentation_says(
    lifetime: str, held: str, above: str, needed: str
) -> None:
    vip = program()
    tier, following = tier_of(vip, int(lifetime)), next_tier(vip, int(lifetime))
    assert tier is not None
    assert f"{tier.name} ×{tier.multiplier}" == held
    shown_tier = (
        ("–", "–")
        if following is None
        else (following.name, str(following.min_points - int(lifetime)))
    )
    assert shown_tier == (above, needed)
