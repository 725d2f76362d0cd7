"""Pages in the API: reads `limit` and `starting_after`, renders `data`, `total` and `has_more`."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from libs.contracts.operations import DEFAULT_LIMIT, MAX_LIMIT, PAGE
from libs.persistence.pages import COUNT_LIMIT, Listed, Page
from libs.web.body import Query

PARAMETERS: Final = frozenset(parameter.name for parameter in PAGE)


class PageBody(Struct, frozen=True, kw_only=True):
    """The body of a response with one page; `total_more` is true if more than `total` items match."""

    data: Sequence[Any]
    total: int
    has_more: bool
    total_more: bool | UnsetType = UNSET


def page_of(query: Query) -> Page:
    """The page that the query requests."""
    return Page(
        limit=query.number("limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT),
        starting_after=query.text("starting_after"),
    )


def page_body(page: Listed[Any], data: Sequence[Any] | None = None) -> PageBody:
    """The body with a page's items, or with `data` rendered from them."""
    return PageBody(
        data=page.items if data is None else data,
        total=min(page.counted, COUNT_LIMIT),
        has_more=page.has_more,
        total_more=True if page.counted > COUNT_LIMIT else UNSET,
    )
