"""What is wrong with a value of a body, in a caller's words instead of the decoder's."""

import re
import types
from collections.abc import Sequence
from typing import Any, Final, Literal, Union, get_args, get_origin

_WRONG_TYPE: Final = re.compile(r"^Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`$")
_NO_DECIMAL: Final = "Invalid decimal string"

_WANTED: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
# The decoder calls an integer beyond 64 bits a float, too.
_GOT: Final = _WANTED | {"float": "a number with decimals or too many digits"}


def must_be_one_of(allowed: Sequence[object]) -> str:
    """How a value that is not among its choices is told."""
    listed = ", ".join(map(str, allowed))
    return f"must be one of: {listed}" if len(allowed) > 1 else f"must be {listed}"


def wrong_value(told: str, kind: Any) -> str:
    """What msgspec says of a value that is no `kind`, in words; what has none stays."""
    if choices := _choices(kind):
        return must_be_one_of(choices)
    if told == _NO_DECIMAL:
        return "must be a number"
    if match := _WRONG_TYPE.match(told):
        wanted = " or ".join(_WANTED.get(one, one) for one in match["wanted"].split(" | "))
        return f"must be {wanted}, not {_GOT.get(match['got'], match['got'])}"
    return told


def _choices(kind: Any) -> tuple[Any, ...]:
    """The values of a `kind`, in the order they are declared, where they are listed."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return next(filter(None, map(_choices, inner)), ())
    return inner if origin is Literal else ()
