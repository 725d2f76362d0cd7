"""Pages of a list: the page that a caller requests, and the items found for it."""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from msgspec import Struct

from libs.kernel.errors import Fault, InvalidRequest

T = TypeVar("T")

# `total` is exact up to this count. Counting further would read a store's whole history.
COUNT_LIMIT: Final = 10_000


class Page(Struct, frozen=True):
    """Up to `limit` items after the item with the id `starting_after`; None starts at the first item."""

    limit: int
    starting_after: str | None


class Listed(Struct, Generic[T], frozen=True):
    """A page's items, whether more follow, and how many match in all (at most COUNT_LIMIT + 1)."""

    items: Sequence[T]
    has_more: bool
    counted: int


def unknown_cursor(kind: str) -> InvalidRequest:
    """The error for a `starting_after` that is not the id of `kind`, such as "a reward", in the list.
    It is the same for an id of another store and one that does not exist."""
    rule = f"must be the id of {kind} in this list"
    fault = Fault(detail=rule, parameter="starting_after")
    return InvalidRequest(f"starting_after: {rule}.", errors=[fault])
