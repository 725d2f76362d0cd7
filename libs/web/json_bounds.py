"""Bounds on the nesting depth and the exponents of a JSON body, checked on its bytes.

Only then is it safe to recurse into the body and to compute with its numbers.
"""

import re
from typing import Final

from libs.web.body import Faults

MAX_DEPTH: Final = 64
MAX_EXPONENT: Final = 30

# An unterminated string extends to the end of the body: it is not JSON, and nothing is scanned twice.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_LARGE_EXPONENT: Final = re.compile(rb"[eE](?<=[0-9.].)[+-]?0*+(?:3[1-9]|[4-9][0-9]|[1-9][0-9]{2})")
_OPENING: Final = (b"[", b"{")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")


def check(body: bytes, faults: Faults) -> None:
    """Add values out of bounds to `faults`. Does not check whether the body is JSON."""
    if sum(body.count(bracket) for bracket in _OPENING) > MAX_DEPTH and _is_too_deep(
        _without_strings(body)
    ):
        faults.at("#", f"must not be nested more than {MAX_DEPTH} levels deep")
    if _LARGE_EXPONENT.search(body) and _LARGE_EXPONENT.search(_without_strings(body)):
        faults.at(
            "#",
            f"must not have a number with an exponent below -{MAX_EXPONENT} or above {MAX_EXPONENT}",
        )


def _without_strings(body: bytes) -> bytes:
    """The body with the content of its strings removed."""
    return _STRING.sub(b'""', body)


def _is_too_deep(body: bytes) -> bool:
    """Whether any brackets remain after removing the allowed number of levels, innermost first.
    Unbalanced brackets are left to the decoder."""
    brackets = body.translate(_SQUARE, delete=_NOT_BRACKETS)
    if b"[" * (MAX_DEPTH + 1) in brackets:
        return True
    for _ in range(MAX_DEPTH):
        outer = brackets.replace(b"[]", b"")
        if len(outer) == len(brackets):
            return False
        brackets = outer
    return b"[]" in brackets
