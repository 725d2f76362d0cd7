"""Work that grows with a store's history, a little at a time: of one store, and of all together.

A store that asks for much waits for itself; the requests of the others find a place.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import RateLimited, Unavailable
from libs.persistence.engine import Connection, snapshot

# Of the five connections for reads: some are always left for what takes a millisecond.
_READS_AT_ONCE: Final = 3
_READS_OF_A_STORE: Final = 2
_WAIT_SECONDS: Final = 3.0
# Less than a caller waits for a list, and far less than a statement may take elsewhere.
_STATEMENT_LIMIT: Final = "SET LOCAL statement_timeout = 5000"


class Turns:
    """`at_once` of all stores together have a turn at the same time, `of_a_store` of each. `name`
    is how callers know the limit; who is refused may try again after `retry_after_seconds`."""

    def __init__(
        self,
        name: str,
        *,
        at_once: int,
        of_a_store: int,
        wait_seconds: float,
        retry_after_seconds: int = 1,
    ) -> None:
        self._name = name
        self._of_a_store = of_a_store
        self._wait_seconds = wait_seconds
        self._retry_after_seconds = retry_after_seconds
        self._all = asyncio.Semaphore(at_once)
        # A store is in here as long as one of its requests is.
        self._stores: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, store_id: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it. Raises RateLimited where the store's own requests take too
        long, and Unavailable where those of all stores together do."""
        own = self._stores.get(store_id)
        if own is None:
            own = self._stores[store_id] = asyncio.Semaphore(self._of_a_store)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await own.acquire()
        except TimeoutError:
            raise self.busy() from None
        try:
            await self._take_of_all()
            try:
                yield
            finally:
                self._all.release()
        finally:
            own.release()

    async def _take_of_all(self) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._all.acquire()
        except TimeoutError:
            raise Unavailable(
                f"Too many {self._name} are running. Try again in a moment.",
                retry_after_seconds=self._retry_after_seconds,
            ) from None

    def busy(self) -> RateLimited:
        """What a request gets whose store has all its turns taken."""
        return RateLimited(
            f"A store may have {self._of_a_store} of its {self._name} running at a time, and those "
            "of this store take long. Try again in a moment.",
            retry_after_seconds=self._retry_after_seconds,
            rate_limit=f'"{self._name}";r=0;t={self._retry_after_seconds}',
            rate_limit_policy=f'"{self._name}";q={self._of_a_store};qu="concurrent-requests"',
        )


class SlowReads:
    """Reads over the engine `reads` whose cost grows with a store's history: lists with their
    totals, sums. Those of one store wait for each other, and a statement has a time limit."""

    def __init__(self, reads: AsyncEngine) -> None:
        self._reads = reads
        self._turns = Turns(
            "lists",
            at_once=_READS_AT_ONCE,
            of_a_store=_READS_OF_A_STORE,
            wait_seconds=_WAIT_SECONDS,
        )

    @asynccontextmanager
    async def snapshot(self, store_id: str) -> AsyncIterator[Connection]:
        """A read-only transaction whose statements all see the same moment."""
        async with self._turns.take(store_id), snapshot(self._reads) as connection:
            await connection.execute(_STATEMENT_LIMIT)
            yield connection
