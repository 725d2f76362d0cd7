"""A record's bytes as text that a browser can show."""

import base64
import binascii
import json
import unicodedata
from typing import Final

import msgspec
from msgspec import Struct

MAX_CHARACTERS: Final = 16 * 1024
# Characters that are invisible or change the direction of what follows, such as U+202E.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class RecordText(Struct, frozen=True):
    """The text; `is_cut` if the record goes on."""

    text: str
    is_cut: bool


def record_text(value: str, encoding: str | None) -> RecordText:
    """JSON is indented, with its numbers as they came; invisible characters are escaped; above 16,384
    characters it is cut. `encoding` is base64 for bytes that are no text."""
    text = _decode(value) if encoding == "base64" else _indent(value)
    visible = "".join(map(_escape, text[:MAX_CHARACTERS]))
    return RecordText(visible, is_cut=len(text) > MAX_CHARACTERS)


def _decode(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode(errors="backslashreplace")
    except binascii.Error:
        return value


def _indent(value: str) -> str:
    try:
        return msgspec.json.format(value.encode(), indent=2).decode()
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return value


def _escape(character: str) -> str:
    is_hidden = character not in "\n\t" and unicodedata.category(character) in _HIDDEN
    return json.dumps(character)[1:-1] if is_hidden else character
