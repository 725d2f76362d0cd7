"""The codes that shops honour: unguessable, and with a check symbol that finds misspelt ones."""

import secrets
from typing import Final

# Crockford's symbols: no I, L, O or U, which people misread.
_SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BITS: Final = 5
# 75 random bits: a billion codes later, a guess still finds one in 38 trillion tries.
_RANDOM: Final = 15
_GROUP: Final = 4


def new_code() -> str:
    """`XXXX-XXXX-XXXX-XXXX`, its last symbol the check."""
    number = secrets.randbits(_RANDOM * _BITS)
    places = range(0, _RANDOM * _BITS, _BITS)
    drawn = "".join(_SYMBOLS[number >> place & len(_SYMBOLS) - 1] for place in places)
    whole = drawn + _check_symbol(drawn)
    return "-".join(whole[at : at + _GROUP] for at in range(0, len(whole), _GROUP))


def is_code(text: str) -> bool:
    """Whether `text` can be a code: its form is right, and its check symbol."""
    plain = text.replace("-", "").upper()
    return (
        len(plain) == _RANDOM + 1
        and all(symbol in _SYMBOLS for symbol in plain)
        and _check_symbol(plain[:-1]) == plain[-1]
    )


def _check_symbol(drawn: str) -> str:
    """Luhn's algorithm to the base 32: finds every single wrong symbol."""
    total = 0
    for place, symbol in enumerate(reversed(drawn)):
        value = _SYMBOLS.index(symbol) * (2 if place % 2 == 0 else 1)
        total += value // len(_SYMBOLS) + value % len(_SYMBOLS)
    return _SYMBOLS[-total % len(_SYMBOLS)]
