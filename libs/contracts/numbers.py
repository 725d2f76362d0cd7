"""Exact decimals on the wire: rates and multipliers as JSON numbers, money as text.

msgspec reads a field typed `Decimal` with Python's own constructor, which takes `"1_000"`, digits
of any script and blanks. Fields typed `Money` or `Exact` are read here instead, by `decoder`.
"""

import re
from decimal import Context, Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

T = TypeVar("T")

# Wide enough that a total (18 digits) times a rate (13) times a multiplier (10) stays exact.
EXACT: Final = Context(prec=60)
MICRO: Final = Decimal("0.000001")
_CENT: Final = Decimal("0.01")
MAX_TOTAL: Final = Decimal(10**12)
MAX_DECIMALS: Final = 6
# No amount needs more, and carried out as digits a larger one could fill the memory.
MAX_EXPONENT: Final = 30

_ZERO: Final = Decimal(0)
# A number, but not one that may be written like this: no bound holds for it.
_NOT_ALLOWED: Final = Decimal("NaN")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE](?P<exponent>[+-]?[0-9]+))?")
# As msgspec names what it found.
_FOUND: Final = {type(None): "null", bool: "bool", list: "array", dict: "object"}
_NO_PLAIN_NUMBER: Final = "must be a number; as text, digits with at most six decimals"


class _Read(type):
    """The type of fields that are read here and are decimals from then on: msgspec asks whether
    what a hook returned is an instance. (An ABC would ask the same question, ten times slower.)"""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Decimal)


if TYPE_CHECKING:
    Money = Decimal
    Exact = Decimal
else:

    class Money(metaclass=_Read):
        """An amount: text of plain digits with at most six decimals, or a JSON number, which is
        rounded half-even to six, so that the noise of binary floats does no harm."""

    class Exact(metaclass=_Read):
        """A rate, multiplier or percentage: as money, but a number is taken as it is written."""


class Written(str):
    """A JSON number with a fraction, an exponent or many digits, as it was written."""

    __slots__ = ()


def decoder(kind: type[T]) -> "msgspec.json.Decoder[T]":
    """A JSON decoder that reads the `Money` and `Exact` fields of `kind`.

    Text that is no number fails to decode. A number that may not be written like this, with a
    sign, too many decimals or an exponent beyond MAX_EXPONENT, is read as one that no bound takes.
    """
    made: msgspec.json.Decoder[T] = _decoder(kind)  # type: ignore[arg-type]  # types can be hashed
    return made


@cache
def _decoder(kind: Any) -> Any:
    return msgspec.json.Decoder(kind, dec_hook=_read, float_hook=Written)


def _read(kind: Any, written: Any) -> Decimal:
    if type(written) is str and written.isascii():
        whole, point, decimals = written.partition(".")
        if whole.isdigit() and (
            not point or (decimals.isdigit() and len(decimals) <= MAX_DECIMALS)
        ):
            return Decimal(written)
    return _read_other(kind, written)


def _read_other(kind: Any, written: Any) -> Decimal:
    """Anything but plain text."""
    if type(written) is int:
        return Decimal(written)
    if not isinstance(written, str):
        found = _FOUND.get(type(written), type(written).__name__)
        # A ValueError is what msgspec tells the place of.
        raise ValueError(f"Expected `decimal`, got `{found}`")  # noqa: TRY004
    number = _NUMBER.fullmatch(written)
    if number is None:
        raise ValueError(_NO_PLAIN_NUMBER)
    exponent = number["exponent"]
    if exponent is not None and _is_too_large(exponent):
        return _NOT_ALLOWED
    if not isinstance(written, Written):
        if exponent is not None:
            raise ValueError(_NO_PLAIN_NUMBER)
        return _NOT_ALLOWED
    value = Decimal(written)
    return _rounded(value) if kind is Money else value


def _is_too_large(exponent: str) -> bool:
    digits = exponent.lstrip("+-0")
    return len(digits) > len(str(MAX_EXPONENT)) or int(digits or "0") > MAX_EXPONENT


def _rounded(value: Decimal) -> Decimal:
    """To six decimals, half-even. What is below zero stays, to be refused, and so does what has
    more digits than any bound."""
    if value < 0 or value.adjusted() > MAX_EXPONENT:
        return value
    return value.quantize(MICRO, context=EXACT)


def is_amount(value: Decimal) -> bool:
    """Whether money that was read here is from 0 to MAX_TOTAL."""
    return value.is_finite() and _ZERO <= value <= MAX_TOTAL


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
