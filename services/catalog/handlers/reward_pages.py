"""Pages of rewards: rendered once per revision of a store, and served from memory until it changes.

Every change raises the store's revision in the same transaction as the change. A request reads the revision after
the request has arrived, never earlier, so a caller who changed a reward sees the change in the
response of any process.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.clock import Clock, utc_now
from libs.persistence.engine import Connection, statement
from libs.persistence.group_commit import GroupCommit
from libs.persistence.pages import Listed, Page, unknown_cursor
from libs.persistence.slow_reads import SlowReads
from services.catalog import store as rewards_db
from services.catalog.domain import REWARD_ID, Reward

# The largest page, a hundred rewards with the longest texts, takes 5 MiB. Most take 20 KiB.
_MAX_BYTES: Final = 64 * 1024 * 1024
# The approximate memory of a cached page in addition to its body. Counting it also limits the number
# of small pages.
_ENTRY_BYTES: Final = 1_024


class PageRequest(Struct, frozen=True):
    """A page of the rewards of a store: those available now, or with `include_all` every one."""

    store_id: str
    include_all: bool
    page: Page


class RenderedPage(Struct, frozen=True):
    """The body of a page, the revision it shows, and `until`: the time at which the page expires even
    if no reward is changed, because a reward starts or ends. None if there is no such time."""

    revision: int
    until: datetime | None
    body: bytes


class RewardPages:
    """Pages from the database `engine`, rendered by `encode_page`; caches up to `max_bytes`."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        encode_page: Callable[[Listed[Reward]], bytes],
        clock: Clock = utc_now,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self._engine = engine
        self._encode_page = encode_page
        self._slow_reads = SlowReads(engine)
        self._clock = clock
        self._cache = PageCache(max_bytes)
        # Requests that arrive while a query runs share the next query.
        self._revisions: GroupCommit[str, int] = GroupCommit(self._read_revisions)

    async def get(self, request: PageRequest) -> bytes:
        """The page as JSON. Raises InvalidRequest where `starting_after` is not a reward of the store."""
        revision = await self._revisions.submit(request.store_id)
        now = self._clock()
        rendered = self._cache.find(request, revision=revision, now=now)
        if rendered is None:
            rendered = await self._render(request, now)
            self._cache.put(request, rendered)
        return rendered.body

    async def _read_revisions(self, store_ids: Sequence[str]) -> Sequence[int]:
        async with statement(self._engine) as connection:
            revisions = await rewards_db.read_revisions(connection, list(set(store_ids)))
        return [revisions.get(store_id, 0) for store_id in store_ids]

    async def _render(self, request: PageRequest, now: datetime) -> RenderedPage:
        store_id = request.store_id
        async with self._slow_reads.snapshot(store_id) as connection:
            revision = (await rewards_db.read_revisions(connection, [store_id])).get(store_id, 0)
            after = await _find_position(connection, request)
            at = None if request.include_all else now
            page = await rewards_db.read_page(
                connection, store_id, at=at, after=after, limit=request.page.limit
            )
            until = at and await rewards_db.find_next_change(connection, store_id, after=at)
        return RenderedPage(revision, until, self._encode_page(page))


async def _find_position(connection: Connection, request: PageRequest) -> int | None:
    cursor = request.page.starting_after
    if cursor is None:
        return None
    position = None
    if REWARD_ID.fullmatch(cursor):
        position = await rewards_db.find_position(connection, request.store_id, cursor)
    if position is None:
        raise unknown_cursor("a reward")
    return position


class PageCache:
    """Rendered pages, up to a number of bytes; the least recently used are dropped first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._pages: OrderedDict[PageRequest, RenderedPage] = OrderedDict()

    def find(self, request: PageRequest, *, revision: int, now: datetime) -> RenderedPage | None:
        """The page of this revision, if it is still valid at `now`."""
        rendered = self._pages.get(request)
        if rendered is None or rendered.revision != revision:
            return None
        if rendered.until is not None and now >= rendered.until:
            return None
        self._pages.move_to_end(request)
        return rendered

    def put(self, request: PageRequest, rendered: RenderedPage) -> None:
        """Add the page, in place of an earlier one."""
        previous = self._pages.pop(request, None)
        if previous is not None:
            self._bytes -= _size(previous)
        self._pages[request] = rendered
        self._bytes += _size(rendered)
        while self._bytes > self._max_bytes:
            _, oldest = self._pages.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(rendered: RenderedPage) -> int:
    return len(rendered.body) + _ENTRY_BYTES
