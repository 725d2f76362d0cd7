"""What is wrong with a value of a body, in the words of callers instead of the decoder's.

Every text completes the sentence that the value's place begins: "must be …", "is required".
"""

import re
import types
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, Union, get_args, get_origin

REQUIRED: Final = "is required"

_WRONG_TYPE: Final = re.compile(r"^Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`$")
_NOT_DECIMAL: Final = "Invalid decimal string"
_NO_OFFSET: Final = "Expected `datetime` with a timezone component"
_NOT_A_TIME: Final = "Invalid RFC3339 encoded datetime"
_MALFORMED: Final = re.compile(
    r"^JSON is malformed: (?P<reason>.*) \(byte (?P<offset>[0-9]+)\)$", re.DOTALL
)
_TRUNCATED: Final = "Input data was truncated"

_EXPECTED: Final = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
    "datetime": "a time",
}
# The decoder calls an integer beyond 64 bits a float, too.
_GOT: Final = _EXPECTED | {"float": "a number with decimals or too many digits"}
# Names longer than any field are not compared: comparing takes time with the square of the length.
_LONGEST_NAME: Final = 64
# So many unknown names of a request get a suggestion: one takes as long as reading a small request.
MAX_SUGGESTIONS: Final = 3


def must_be_one_of(allowed: Sequence[object]) -> str:
    """The text for a value that is not among its choices."""
    listed = ", ".join(map(str, allowed))
    return f"must be one of: {listed}" if len(allowed) > 1 else f"must be {listed}"


def wrong_value(decoder_text: str, kind: Any) -> str:
    """What the decoder says of a value that is not a `kind`; a text without a translation stays."""
    if choices := _choices(kind):
        return must_be_one_of(choices)
    if decoder_text == _NOT_DECIMAL:
        return "must be a number"
    if decoder_text == _NO_OFFSET:
        return "must have an offset from UTC, as in 2026-03-10T12:00:00Z"
    if decoder_text == _NOT_A_TIME:
        return "must be an RFC 3339 time, as in 2026-03-10T12:00:00Z"
    if match := _WRONG_TYPE.match(decoder_text):
        expected = " or ".join(_EXPECTED.get(one, one) for one in match["expected"].split(" | "))
        return f"must be {expected}, not {_GOT.get(match['got'], match['got'])}"
    return decoder_text


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """The text for a field or parameter that does not exist, with the one that was probably meant."""
    spellings = {_bare(one): one for one in known}
    close = (
        get_close_matches(_bare(name), spellings, n=1, cutoff=0.75)
        if len(name) <= _LONGEST_NAME
        else []
    )
    suggestion = f"; did you mean `{spellings[close[0]]}`?" if close else ""
    return f"is an unknown {what}{suggestion}"


def not_json(body: bytes, decoder_text: str) -> str:
    """Why the decoder cannot read `body`, with the line and column, both counted from 1."""
    if not body.strip():
        return "is empty"
    if decoder_text == _TRUNCATED:
        return "is not valid JSON: it ends before it is complete"
    match = _MALFORMED.match(decoder_text)
    if match is None:
        return f"is not valid JSON: {decoder_text}"
    before = body[: int(match["offset"])]
    line = before.count(b"\n") + 1
    column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
    return f"is not valid JSON: {match['reason']} (line {line}, column {column})"


def _bare(name: str) -> str:
    """The name as far as spelling conventions leave it: `customerId` and `customer-id` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _choices(kind: Any) -> tuple[Any, ...]:
    """The values of a `kind`, in the order they are declared, where they are listed."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return next(filter(None, map(_choices, inner)), ())
    return inner if origin is Literal else ()
