"""Bounds that more than one service checks, each fault told with its place.

Source of the bounds: the API's documentation, "Bounds".
"""

import re
from typing import Final

from libs.kernel.ids import CUSTOMER_ID
from libs.web.body import Faults

CUSTOMER_ID_RULE: Final = "1-128 characters of A-Z a-z 0-9 _ . : @ + | = ~ -"

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def customer_id(value: str, faults: Faults, *, at: str) -> None:
    if not CUSTOMER_ID.fullmatch(value):
        faults.at(at, CUSTOMER_ID_RULE)


def text(value: str, faults: Faults, *, at: str, longest: int) -> None:
    """A name, reason or note: some readable text of up to `longest` characters."""
    if not 1 <= len(value) <= longest:
        faults.at(at, f"1-{longest} characters")
    elif _CONTROL.search(value) or not value.strip():
        faults.at(at, "readable text without control characters")


def currency(value: str, faults: Faults, *, at: str) -> None:
    if not _CURRENCY.fullmatch(value):
        faults.at(at, "three capital letters, as in USD")


def whole(value: int, faults: Faults, *, at: str, low: int, high: int) -> None:
    """A whole number from `low` to `high`."""
    if not low <= value <= high:
        faults.at(at, f"from {low:,} to {high:,}")
