"""The marks of dead letters that were handled, as records of the topic `dead-letters.handled`.

The key of a mark is the place of its letter, `<dead-letter topic>:<partition>:<offset>`. Operators' commands
and the API both write them, so that either knows what the other handled.
"""

from datetime import datetime
from typing import Final, Literal, get_args

from msgspec import Struct

from libs.kernel.clock import format_time, parse_time

LetterOutcome = Literal["replayed", "dropped"]

_OUTCOMES: Final[tuple[LetterOutcome, ...]] = get_args(LetterOutcome)


class Mark(Struct, frozen=True):
    """What became of a letter, and when."""

    outcome: LetterOutcome
    handled_at: datetime


def encode_mark(mark: Mark) -> bytes:
    """The value of the mark's record."""
    return f"{mark.outcome} {format_time(mark.handled_at)}".encode()


def decode_mark(value: bytes | None) -> Mark | None:
    """The mark in a record's value, or None if there is none that can be read."""
    name, _, time = (value or b"").decode(errors="replace").partition(" ")
    outcome = next((known for known in _OUTCOMES if known == name), None)
    try:
        return None if outcome is None else Mark(outcome, parse_time(time))
    except ValueError:
        return None
