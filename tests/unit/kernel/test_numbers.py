"""Which numbers are valid amounts of money."""

from decimal import Decimal

import pytest

from libs.contracts.numbers import MAX_TOTAL, fits


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("0", True),
        ("0E+999999", True),
        ("19.99", True),
        ("0.000001", True),
        ("1.0000000000", True),
        ("1000000000000", True),
        ("1E+12", True),
        ("1000000000000.000001", False),
        ("0.0000001", False),
        ("0.00000149", False),
        ("1E-999999", False),
        ("1E+999999", False),
        ("-0.01", False),
        ("NaN", False),
        ("sNaN", False),
        ("Infinity", False),
    ],
)
def test_money_is_within_its_bounds_and_has_six_decimals(text: str, is_valid: bool) -> None:
    assert fits(Decimal(text), low=0, high=MAX_TOTAL) is is_valid
