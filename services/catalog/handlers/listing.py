"""Lists of rewards: rendered once per revision of a store, and served from memory until it changes.

A store's revision is raised in the transaction of each change. It is read for every request, after
the request came, so that whoever wrote reads the write, whichever process answers.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.clock import Clock, utc_now
from libs.kernel.errors import Fault, InvalidRequest
from libs.persistence.engine import Connection, statement
from libs.persistence.group_commit import GroupCommit
from libs.persistence.pages import Listed, Page
from libs.persistence.slow_reads import SlowReads
from services.catalog import store
from services.catalog.domain import REWARD_ID, Reward

# A page of a hundred rewards as long as they may be takes 5 MiB; most take 20 KiB.
_MAX_BYTES: Final = 64 * 1024 * 1024
# What an entry takes beside its bytes, roughly: keeps many small pages bounded too.
_ENTRY_BYTES: Final = 1_024

_NO_CURSOR: Final = "There is no such reward in this store."


class Asked(Struct, frozen=True):
    """Which list: of a store, of what can be had now or of everything, and which page of it."""

    store_id: str
    everything: bool
    page: Page


class Rendered(Struct, frozen=True):
    """A page's bytes, the revision they show, and when time alone makes them wrong."""

    revision: int
    until: datetime | None
    body: bytes


class Listing:
    """Lists over the database `engine`, as `encode_page` renders them; caches up to `max_bytes`."""

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
        self._remembered = Remembered(max_bytes)
        # Requests that come while a query runs share the next one.
        self._revisions: GroupCommit[str, int] = GroupCommit(self._read_revisions)

    async def get(self, asked: Asked) -> bytes:
        """The page as JSON; raises InvalidRequest where its cursor is no reward of the store."""
        revision = await self._revisions.submit(asked.store_id)
        now = self._clock()
        rendered = self._remembered.find(asked, revision=revision, now=now)
        if rendered is None:
            rendered = await self._render(asked, now)
            self._remembered.keep(asked, rendered)
        return rendered.body

    async def _read_revisions(self, store_ids: Sequence[str]) -> Sequence[int]:
        async with statement(self._engine) as connection:
            found = await store.revisions(connection, list(set(store_ids)))
        return [found.get(store_id, 0) for store_id in store_ids]

    async def _render(self, asked: Asked, now: datetime) -> Rendered:
        async with self._slow_reads.snapshot(asked.store_id) as connection:
            revision = (await store.revisions(connection, [asked.store_id])).get(asked.store_id, 0)
            after = await _position(connection, asked)
            at = None if asked.everything else now
            found = await store.page(
                connection, asked.store_id, at=at, after=after, limit=asked.page.limit
            )
            until = at and await store.next_change(connection, asked.store_id, after=at)
        return Rendered(revision, until, self._encode_page(found))


async def _position(connection: Connection, asked: Asked) -> int | None:
    cursor = asked.page.starting_after
    if cursor is None:
        return None
    position = None
    if REWARD_ID.fullmatch(cursor):
        position = await store.position(connection, asked.store_id, cursor)
    if position is None:
        fault = Fault(detail=_NO_CURSOR, parameter="starting_after")
        raise InvalidRequest(_NO_CURSOR, errors=[fault])
    return position


class Remembered:
    """Rendered pages, up to a number of bytes; those not asked for longest go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._pages: OrderedDict[Asked, Rendered] = OrderedDict()

    def find(self, asked: Asked, *, revision: int, now: datetime) -> Rendered | None:
        """The page as of `revision`, where it still holds `now`."""
        rendered = self._pages.get(asked)
        if rendered is None or rendered.revision != revision:
            return None
        if rendered.until is not None and now >= rendered.until:
            return None
        self._pages.move_to_end(asked)
        return rendered

    def keep(self, asked: Asked, rendered: Rendered) -> None:
        """Remember the page in place of an earlier one."""
        before = self._pages.pop(asked, None)
        if before is not None:
            self._bytes -= _size(before)
        self._pages[asked] = rendered
        self._bytes += _size(rendered)
        while self._bytes > self._max_bytes:
            _, oldest = self._pages.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(rendered: Rendered) -> int:
    return len(rendered.body) + _ENTRY_BYTES
