"""What a form sends: numbers as people write them, and the fields that errors of the API belong to."""

import re
from decimal import Decimal
from typing import Final

_WHOLE: Final = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?", re.ASCII)
# More digits than any bound of the API has; a longer number is not read at all.
_LONGEST: Final = 30


def field_name(pointer: str) -> str:
    """The name of the form's field for a JSON pointer: `#/tiers/1/min_points` is `tiers.1.min_points`."""
    steps = pointer.removeprefix("#").removeprefix("/").split("/")
    return ".".join(step.replace("~1", "/").replace("~0", "~") for step in steps)


def whole(text: str) -> int | None:
    """12,500 or 12500; None for what is no whole number."""
    if len(text) > _LONGEST or not _WHOLE.fullmatch(text):
        return None
    return int(text.replace(",", ""))


def decimal(text: str) -> Decimal | None:
    """1.5, 1,250 or .5; None for what is no number. A comma separates thousands only."""
    is_number = any(character.isdigit() for character in text) and _DECIMAL.fullmatch(text)
    if len(text) > _LONGEST or not is_number:
        return None
    return Decimal(text.replace(",", ""))


def plain(value: Decimal) -> str:
    """A number for a field: 1.5, and 10 for 10.0."""
    return format(value.normalize(), "f")
