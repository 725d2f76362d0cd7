"""Lists in pages: `limit` and `starting_after` in, `data`, `total` and `has_more` out."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from libs.contracts.operations import DEFAULT_LIMIT, MAX_LIMIT, PAGE
from libs.web.body import Query

PARAMETERS: Final = frozenset(parameter.name for parameter in PAGE)

# `total` is exact up to here; beyond, a count would cost a walk through the whole history.
COUNT_LIMIT: Final = 10_000


class Page(Struct, frozen=True):
    """Which page is asked for: up to `limit` items after the one with the id `starting_after`."""

    limit: int
    starting_after: str | None


class PageAnswer(Struct, frozen=True, kw_only=True):
    """A page as it is answered; `total_more` is true where more than `total` match."""

    data: Sequence[Any]
    total: int
    has_more: bool
    total_more: bool | UnsetType = UNSET


def page_of(query: Query) -> Page:
    """The page that the query asks for."""
    return Page(
        limit=query.number("limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT),
        starting_after=query.text("starting_after"),
    )


def answer(data: Sequence[Any], *, has_more: bool, counted: int) -> PageAnswer:
    """The answer with `data`; `counted` is how many match, counted to COUNT_LIMIT + 1 at most."""
    return PageAnswer(
        data=data,
        total=min(counted, COUNT_LIMIT),
        has_more=has_more,
        total_more=True if counted > COUNT_LIMIT else UNSET,
    )
