"""Lists as callers hold them: the first page, and a walk through all."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Generic, TypeVar

from whale_loyalty._operation import Listing, Operation
from whale_loyalty.models import Page

T = TypeVar("T")


class Pages(Generic[T]):
    """A list: `page`, `data`, `total` and `has_more` are those of the page asked for; iterating goes
    on through the pages after it, each fetched when it is reached."""

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
        while following := self._listing.following(page):
            page = self._fetch(following)
            yield from page.data

    def __repr__(self) -> str:
        return f"Pages({self.page!r})"


class AsyncPages(Generic[T]):
    """A list: awaited, it is the page asked for; `async for` goes on through the pages after it, each
    fetched when it is reached."""

    def __init__(
        self, listing: Listing[T], fetch: Callable[[Operation[Page[T]]], Awaitable[Page[T]]]
    ) -> None:
        self._listing = listing
        self._fetch = fetch

    def __await__(self) -> Generator[None, None, Page[T]]:
        return self._fetch(self._listing.first).__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        following: Operation[Page[T]] | None = self._listing.first
        while following is not None:
            page = await self._fetch(following)
            for one in page.data:
                yield one
            following = self._listing.following(page)
