"""Exact decimals in JSON: rates and multipliers as numbers, money as text.

msgspec decodes a field of type `Decimal` with Python's own constructor, which accepts `"1_000"`,
digits of any script and blanks. Fields of type `Money` or `Exact` are decoded here instead, by
`decoder`.
"""

import re
from decimal import Context, Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

T = TypeVar("T")

# Enough for the exact product of a total (18 digits), a rate (13) and a multiplier (10).
EXACT: Final = Context(prec=60)
MICRO: Final = Decimal("0.000001")
_CENT: Final = Decimal("0.01")
MAX_TOTAL: Final = Decimal(10**12)
MAX_DECIMALS: Final = 6
# No amount needs more; a larger exponent, written out as digits, could fill the memory.
MAX_EXPONENT: Final = 30

_ZERO: Final = Decimal(0)
# Stands for a number in a forbidden format; it is outside every bound.
_FORBIDDEN: Final = Decimal("NaN")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE](?P<exponent>[+-]?[0-9]+))?")
# msgspec's names of JSON types.
_JSON_TYPES: Final = {type(None): "null", bool: "bool", list: "array", dict: "object"}
_RULE: Final = "must be a number, or a string of digits with at most six decimal places"


class _DecodedAsDecimal(type):
    """The metaclass of field types that are decoded here into a Decimal. msgspec checks that the
    result of a decoding hook is an instance of the field's type; with an ABC, the same check would
    be ten times slower."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Decimal)


if TYPE_CHECKING:
    Money = Decimal
    Exact = Decimal
else:

    class Money(metaclass=_DecodedAsDecimal):
        """An amount: a string of digits with at most six decimal places, or a JSON number, which is
        rounded half-even to six places, to remove the rounding errors of binary floats."""

    class Exact(metaclass=_DecodedAsDecimal):
        """A rate, multiplier or percentage: like Money, but a number is not rounded."""


class _NumberText(str):
    """The text of a JSON number with a fraction, an exponent or many digits."""

    __slots__ = ()


def decoder(kind: type[T]) -> "msgspec.json.Decoder[T]":
    """A JSON decoder that reads the `Money` and `Exact` fields of `kind`.

    A string that is not a number fails to decode. A number in a forbidden format (with a sign, too
    many decimal places, or an exponent beyond MAX_EXPONENT) decodes to NaN, which is outside every
    bound.
    """
    shared: msgspec.json.Decoder[T] = _decoder(kind)  # type: ignore[arg-type]  # types can be hashed
    return shared


@cache
def _decoder(kind: Any) -> Any:
    return msgspec.json.Decoder(kind, dec_hook=_decode, float_hook=_NumberText)


def _decode(kind: Any, value: Any) -> Decimal:
    if type(value) is str and value.isascii():
        integer, point, decimals = value.partition(".")
        if integer.isdigit() and (
            not point or (decimals.isdigit() and len(decimals) <= MAX_DECIMALS)
        ):
            return Decimal(value)
    return _decode_other(kind, value)


def _decode_other(kind: Any, value: Any) -> Decimal:
    """Decode any value but a string of digits."""
    if type(value) is int:
        return Decimal(value)
    if not isinstance(value, str):
        json_type = _JSON_TYPES.get(type(value), type(value).__name__)
        # msgspec adds the path of the value only to a ValueError.
        raise ValueError(f"Expected `decimal`, got `{json_type}`")  # noqa: TRY004
    number = _NUMBER.fullmatch(value)
    if number is None:
        raise ValueError(_RULE)
    exponent = number["exponent"]
    if exponent is not None and _is_too_large(exponent):
        return _FORBIDDEN
    if not isinstance(value, _NumberText):
        if exponent is not None:
            raise ValueError(_RULE)
        return _FORBIDDEN
    decimal = Decimal(value)
    return _rounded(decimal) if kind is Money else decimal


def _is_too_large(exponent: str) -> bool:
    digits = exponent.lstrip("+-0")
    return len(digits) > len(str(MAX_EXPONENT)) or int(digits or "0") > MAX_EXPONENT


def _rounded(value: Decimal) -> Decimal:
    """`value` rounded half-even to six decimal places. A value that every bound refuses, because it
    is negative or too large, is not rounded."""
    if value < 0 or value.adjusted() > MAX_EXPONENT:
        return value
    return value.quantize(MICRO, context=EXACT)


def is_amount(value: Decimal) -> bool:
    """Whether a decoded amount of money is from 0 to MAX_TOTAL."""
    return value.is_finite() and _ZERO <= value <= MAX_TOTAL


def fits(value: Decimal, *, low: Decimal | int, high: Decimal | int) -> bool:
    """Whether `value` is a number from `low` to `high` with at most six decimal places."""
    if not value.is_finite() or not low <= value <= high:
        return False
    return value == EXACT.quantize(value, MICRO)


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros or an exponent: 10, 1.5."""
    if value == value.to_integral_value():
        return value.quantize(Decimal(1), context=EXACT)
    return value.normalize(EXACT)


def with_decimal(value: Decimal) -> Decimal:
    """The same number with at least one decimal place: 1.0, 1.5."""
    if value == value.to_integral_value():
        return value.quantize(Decimal("0.1"), context=EXACT)
    return value.normalize(EXACT)


def money(value: Decimal) -> str:
    """An amount as text, with at least two decimal places and no trailing zeros after them: 25.00,
    0.125."""
    if value == value.quantize(_CENT, context=EXACT):
        return str(value.quantize(_CENT, context=EXACT))
    return str(value.normalize(EXACT))
