"""Paginated lists as callers see them: the requested page, and an iterator over all pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Generic, TypeVar

from whale_loyalty._operation import Listing, Operation
from whale_loyalty.models import Page

T = TypeVar("T")


class Pages(Generic[T]):
    """A list: `page`, `data`, `total` and `has_more` belong to the requested page. Iterating also
    walks the pages after it and fetches each page when the iterator reaches it."""

    def __init__(
        self, page: Page[T], listing: Listing[T], fetch: Callable[[Operation[Page[T]]], Page[T]]
    ) -> None:
        self.page = page
        self._listing = listing
        self._fetch = fetch

    @property
    def data(self) -> list[T]:
        return self.page.data

    @property
    def total(self) -> int:
        return self.page.total

    @property
    def has_more(self) -> bool:
        return self.page.has_more

    @property
    def total_more(self) -> bool:
        return self.page.total_more

    def __iter__(self) -> Iterator[T]:
        page = self.page
        yield from page.data
        while next_page := self._listing.next_page(page):
            page = self._fetch(next_page)
            yield from page.data

    def __repr__(self) -> str:
        return f"Pages({self.page!r})"


class AsyncPages(Generic[T]):
    """A list: `await` returns the requested page. `async for` also walks the pages after it and
    fetches each page when the iterator reaches it."""

    def __init__(
        self, listing: Listing[T], fetch: Callable[[Operation[Page[T]]], Awaitable[Page[T]]]
    ) -> None:
        self._listing = listing
        self._fetch = fetch

    def __await__(self) -> Generator[None, None, Page[T]]:
        return self._fetch(self._listing.first).__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        next_page: Operation[Page[T]] | None = self._listing.first
        while next_page is not None:
            page = await self._fetch(next_page)
            for item in page.data:
                yield item
            next_page = self._listing.next_page(page)
