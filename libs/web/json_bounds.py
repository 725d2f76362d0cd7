"""How deep a JSON body may be nested and how large its exponents may be, checked on its bytes.

Only then may code that decodes the body recurse into it and compute with its numbers.
"""

import re
from typing import Final

from libs.web.body import Faults

MAX_DEPTH: Final = 64
MAX_EXPONENT: Final = 30

# A string without an end goes to the end of the body: then it is not JSON, and nothing is scanned twice.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_LARGE_EXPONENT: Final = re.compile(rb"[eE](?<=[0-9.].)[+-]?0*+(?:3[1-9]|[4-9][0-9]|[1-9][0-9]{2})")
_OPENING: Final = (b"[", b"{")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")


def check(body: bytes, faults: Faults) -> None:
    """Add what is out of bounds to `faults`; whether the body is JSON is not checked here."""
    if sum(body.count(bracket) for bracket in _OPENING) > MAX_DEPTH and _is_deep(_bare(body)):
        faults.at("#", f"must not be nested over {MAX_DEPTH} levels")
    if _LARGE_EXPONENT.search(body) and _LARGE_EXPONENT.search(_bare(body)):
        faults.at(
            "#",
            f"must not have a number with an exponent outside -{MAX_EXPONENT} to {MAX_EXPONENT}",
        )


def _bare(body: bytes) -> bytes:
    """The body with its strings emptied."""
    return _STRING.sub(b'""', body)


def _is_deep(bare: bytes) -> bool:
    """Whether brackets are left after as many levels as are allowed are peeled off, the innermost
    first. The decoder finds brackets that do not match."""
    brackets = bare.translate(_ONE_KIND, delete=_NOT_BRACKETS)
    if b"[" * (MAX_DEPTH + 1) in brackets:
        return True
    for _ in range(MAX_DEPTH):
        peeled = brackets.replace(b"[]", b"")
        if len(peeled) == len(brackets):
            return False
        brackets = peeled
    return b"[]" in brackets
