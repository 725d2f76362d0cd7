"""Bounds that more than one service checks; each fault names its place.

Source of the bounds: the API's documentation, "Bounds".
"""

import re
from collections.abc import Callable
from typing import Final

from libs.contracts.api import MAX_VERSION
from libs.kernel import ids
from libs.web.body import Faults, Query

OTHER_ID_RULE: Final = "must have 1 to 128 characters, none of them control characters"

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def customer_id(value: str, faults: Faults, *, at: str) -> None:
    """A customer's id, in any Unicode normal form; it is stored in form C."""
    if ids.customer_id(value) is None:
        faults.at(at, ids.CUSTOMER_ID_RULE)


def customer_parameter(query: Query, faults: Faults) -> str | None:
    """The parameter `customer_id` in the form in which ids are stored, or None without one."""
    return _parameter("customer_id", query, faults, ids.customer_id)


def customer_start_parameter(query: Query, faults: Faults) -> str | None:
    """The parameter `query`, the start of a customer's id, in the form in which ids are stored."""
    return _parameter("query", query, faults, ids.customer_id_prefix)


def order_parameter(query: Query, faults: Faults) -> str | None:
    """The parameter `order_id`, an order's id in the shop, or None without one."""
    return id_parameter("order_id", query, faults)


def id_parameter(name: str, query: Query, faults: Faults) -> str | None:
    """A parameter with an id other than a customer's, or None without it."""
    given = query.text(name)
    if given is not None and not ids.OTHER_ID.fullmatch(given):
        faults.parameter(name, OTHER_ID_RULE)
    return given


def _parameter(
    name: str, query: Query, faults: Faults, read: Callable[[str], str | None]
) -> str | None:
    given = query.text(name)
    checked = None if given is None else read(given)
    if given is not None and checked is None:
        faults.parameter(name, ids.CUSTOMER_ID_RULE)
    return checked


def text(value: str, faults: Faults, *, at: str, longest: int) -> None:
    """A name, reason or note: some readable text of up to `longest` characters."""
    if not 1 <= len(value) <= longest:
        faults.at(at, f"must have 1 to {longest} characters")
    elif _CONTROL.search(value):
        faults.at(at, "must not have control characters")
    elif not value.strip():
        faults.at(at, "must not be blank")


def currency(value: str, faults: Faults, *, at: str) -> None:
    if not _CURRENCY.fullmatch(value):
        faults.at(at, "must be a currency code of three capital letters, such as USD")


def whole(value: int, faults: Faults, *, at: str, low: int, high: int) -> None:
    """A whole number from `low` to `high`."""
    if not low <= value <= high:
        faults.at(at, f"must be from {low:,} to {high:,}")


def version(value: int | None, faults: Faults, *, at: str = "#/version") -> None:
    """The version that a change is based on, or None for any."""
    if value is not None:
        whole(value, faults, at=at, low=1, high=MAX_VERSION)
