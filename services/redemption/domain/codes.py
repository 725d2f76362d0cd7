"""The codes that shops accept: impossible to guess, and with a check symbol that finds typing errors."""

from typing import Final

# Crockford's symbols: no I, L, O or U, which people misread.
_SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans("OIL", "011")
_BITS_PER_SYMBOL: Final = 5
_RANDOM_SYMBOLS: Final = 15
_GROUP: Final = 4
# Among a billion codes, one guess in 38 trillion finds one.
RANDOM_BITS: Final = _RANDOM_SYMBOLS * _BITS_PER_SYMBOL


def make_code(random_bits: int) -> str:
    """`XXXX-XXXX-XXXX-XXXX` out of RANDOM_BITS random bits; the last symbol is the check symbol."""
    shifts = range(0, RANDOM_BITS, _BITS_PER_SYMBOL)
    symbols = "".join(_SYMBOLS[random_bits >> shift & len(_SYMBOLS) - 1] for shift in shifts)
    return _grouped(symbols + _check_symbol(symbols))


def read_code(text: str) -> str | None:
    """The code in `text`, as it was made, or None if its form or its check symbol is wrong. People may
    write it in any case, without hyphens, with blanks, and O for 0 or I and L for 1."""
    symbols = "".join(text.replace("-", "").split()).upper().translate(_MISREAD)
    is_code = (
        len(symbols) == _RANDOM_SYMBOLS + 1
        and all(symbol in _SYMBOLS for symbol in symbols)
        and _check_symbol(symbols[:-1]) == symbols[-1]
    )
    return _grouped(symbols) if is_code else None


def _grouped(symbols: str) -> str:
    return "-".join(symbols[start : start + _GROUP] for start in range(0, len(symbols), _GROUP))


def _check_symbol(symbols: str) -> str:
    """Luhn's algorithm in base 32: finds every single wrong symbol."""
    total = 0
    for place, symbol in enumerate(reversed(symbols)):
        value = _SYMBOLS.index(symbol) * (2 if place % 2 == 0 else 1)
        total += value // len(_SYMBOLS) + value % len(_SYMBOLS)
    return _SYMBOLS[-total % len(_SYMBOLS)]
