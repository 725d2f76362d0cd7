"""Exact decimals on the wire: rates and multipliers as JSON numbers, money as text."""

from decimal import Context, Decimal
from typing import Final

# Wide enough that a total (18 digits) times a rate (13) times a multiplier (10) stays exact.
EXACT: Final = Context(prec=60)
MICRO: Final = Decimal("0.000001")
_CENT: Final = Decimal("0.01")
MAX_TOTAL: Final = Decimal(10**12)


def fits(value: Decimal, *, low: Decimal | int, high: Decimal | int) -> bool:
    """Whether `value` is a number from `low` to `high` with at most six decimals."""
    if not value.is_finite() or not low <= value <= high:
        return False
    return value == EXACT.quantize(value, MICRO)


def plain(value: Decimal) -> Decimal:
    """The same number in its shortest plain spelling: 10, 1.5."""
    if value == value.to_integral_value():
        return value.quantize(Decimal(1), context=EXACT)
    return value.normalize(EXACT)


def with_decimal(value: Decimal) -> Decimal:
    """The same number with at least one decimal: 1.0, 1.5."""
    if value == value.to_integral_value():
        return value.quantize(Decimal("0.1"), context=EXACT)
    return value.normalize(EXACT)


def money(value: Decimal) -> str:
    """An amount as text, with at least two decimals and no zeros beyond: 25.00, 0.125."""
    if value == value.quantize(_CENT, context=EXACT):
        return str(value.quantize(_CENT, context=EXACT))
    return str(value.normalize(EXACT))
