"""The points for an order, and the program that prices it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from libs.kernel.ids import uuid7
from services.earning.domain.programs import Program, StorePrograms, Tier

VIP = (
    Tier("Bronze", 0, Decimal("1.0")),
    Tier("Silver", 5_000, Decimal("1.5")),
    Tier("Gold", 15_000, Decimal("2.0")),
    Tier("Platinum", 50_000, Decimal("3.0")),
)


def program(
    *,
    rate: str = "10",
    tiers: tuple[Tier, ...] = VIP,
    currency: str = "USD",
    is_active: bool = True,
) -> Program:
    return Program(
        id=uuid7(),
        version_id=1,
        name="VIP Rewards",
        points_per_dollar=Decimal(rate),
        currency=currency,
        is_active=is_active,
        tiers=tiers,
        created_at=datetime(2026, 3, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("total", "rate", "multiplier", "points"),
    [
        pytest.param("50.00", "10", "2.0", 1_000, id="a $50 order of a Gold member"),
        pytest.param("0.99", "1", "1", 0, id="a fraction of a point is not a point"),
        pytest.param("19.99", "10", "1.5", 299, id="299.85 is floored once, at the end"),
        pytest.param("0.1", "10", "1", 1, id="a tenth times ten is exactly one"),
        pytest.param("33.33", "0.03", "1.000001", 0, id="0.9999 is none"),
        pytest.param("333333.333333", "3.000003", "1", 1_000_000, id="just over a million"),
        pytest.param(
            "999999999999.999999",
            "999999.999999",
            "999.999999",
            999999998998999999001,
            id="the widest product stays exact",
        ),
    ],
)
def test_an_award_is_the_floor_of_the_exact_product(
    total: str, rate: str, multiplier: str, points: int
) -> None:
    tier = Tier("T", 0, Decimal(multiplier))
    assert program(rate=rate).price(Decimal(total), tier) == points


def test_without_a_tier_the_multiplier_is_one() -> None:
    assert program().price(Decimal(50), None) == 500


def test_the_default_is_the_oldest_active_program() -> None:
    first, second, third = program(is_active=False), program(), program()
    assert StorePrograms((first, second, third)).default is second


@pytest.mark.parametrize(
    ("programs", "named", "reason"),
    [
        pytest.param((), None, "no_program", id="a store without programs"),
        pytest.param((program(is_active=False),), None, "program_inactive", id="none active"),
        pytest.param((program(),), "loy_nonsense", "unknown_program", id="an unknown one"),
        pytest.param((program(currency="EUR"),), None, "other_currency", id="another currency"),
    ],
)
def test_an_order_that_no_program_prices_is_skipped_with_a_reason(
    programs: tuple[Program, ...], named: str | None, reason: str
) -> None:
    assert StorePrograms(programs).select(named, "USD") == reason


def test_an_order_may_name_its_program() -> None:
    default, named = program(), program()
    assert StorePrograms((default, named)).select(f"loy_{named.id}", "USD") is named


def test_a_named_program_must_be_active() -> None:
    default, named = program(), program(is_active=False)
    assert StorePrograms((default, named)).select(f"loy_{named.id}", "USD") == "program_inactive"
