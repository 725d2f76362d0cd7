"""A page of a list."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Listed(Struct, frozen=True):
    """The items of a page, whether more follow, and the number of matches, up to COUNT_LIMIT + 1."""

    items: Sequence[Any]
    has_more: bool
    counted: int
