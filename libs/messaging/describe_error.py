"""Describes why a record cannot be read as its event, in the words that the API uses of a request."""

import re
from typing import Final

import msgspec

from libs.kernel.wording import REQUIRED, not_json, wrong_value

_PLACED: Final = re.compile(r"^(?P<text>.*?)(?: - at `\$\.?(?P<place>.*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<name>[^`]+)`$")


def describe_error(value: bytes, error: Exception) -> str:
    """The rule that `value` breaks: `field: rule`, or a clause about the whole value. `error` is what
    decoding it raised."""
    if isinstance(error, msgspec.ValidationError):
        return _broken_rule(str(error))
    if isinstance(error, RecursionError):
        return "the value is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "the value is not UTF-8"
    return f"the value {not_json(value, str(error))}"


def _broken_rule(decoder_text: str) -> str:
    match = _PLACED.match(decoder_text)
    text, place = (decoder_text, None) if match is None else (match["text"], match["place"])
    if missing := _MISSING.match(text):
        return (
            f"{place}.{missing['name']}: {REQUIRED}" if place else f"{missing['name']}: {REQUIRED}"
        )
    rule = wrong_value(text, None)
    return f"{place}: {rule}" if place else f"the value {rule}"
