"""Limits on concurrent reads whose cost grows with a store's history: per store, and in total.

A store that sends many such reads waits for its own; the requests of other stores still find a slot.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import RateLimited, Unavailable
from libs.persistence.engine import Connection, snapshot

# Of the five connections for reads: the rest is for reads that take a millisecond.
_TOTAL_READS: Final = 3
_READS_PER_STORE: Final = 2
_WAIT_SECONDS: Final = 3.0
# Less than a caller waits for a list, and far less than other statements may take.
_STATEMENT_LIMIT: Final = "SET LOCAL statement_timeout = 5000"


class ReadSlots:
    """At most `total` requests hold a slot at the same time, at most `per_store` of one store.

    `name` is the name of the limit in rate limit headers, and `requests` names the limited requests in
    error texts. A refused caller may retry after `retry_after_seconds`.
    """

    def __init__(
        self,
        name: str,
        *,
        requests: str,
        total: int,
        per_store: int,
        wait_seconds: float,
        retry_after_seconds: int = 1,
    ) -> None:
        self._name = name
        self._requests = requests
        self._per_store = per_store
        self._wait_seconds = wait_seconds
        self._retry_after_seconds = retry_after_seconds
        self._total_slots = asyncio.Semaphore(total)
        # A store's entry lives as long as a request of it waits for a slot or holds one.
        self._store_slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def acquire(self, store_id: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it for the context. Raises RateLimited if the store's own
        requests hold all its slots for too long, and Unavailable if all slots are held."""
        store_slots = self._store_slots.get(store_id)
        if store_slots is None:
            store_slots = self._store_slots[store_id] = asyncio.Semaphore(self._per_store)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await store_slots.acquire()
        except TimeoutError:
            raise self.rate_limited() from None
        try:
            await self._acquire_from_total()
            try:
                yield
            finally:
                self._total_slots.release()
        finally:
            store_slots.release()

    async def _acquire_from_total(self) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._total_slots.acquire()
        except TimeoutError:
            raise Unavailable(
                f"Too many {self._requests} are in progress. Try again in a moment.",
                retry_after_seconds=self._retry_after_seconds,
            ) from None

    def rate_limited(self) -> RateLimited:
        """The error for a request of a store whose slots are all held."""
        return RateLimited(
            f"Too many {self._requests} of this store are in progress: at most {self._per_store} may run "
            "at the same time. Try again in a moment.",
            retry_after_seconds=self._retry_after_seconds,
            rate_limit=f'"{self._name}";r=0;t={self._retry_after_seconds}',
            rate_limit_policy=f'"{self._name}";q={self._per_store};qu="concurrent-requests"',
        )


class SlowReads:
    """Runs reads on the engine `reads` whose cost grows with a store's history: lists with their
    totals, and sums. They share slots, and each statement has a time limit."""

    def __init__(self, reads: AsyncEngine) -> None:
        self._reads = reads
        self._slots = ReadSlots(
            "lists",
            requests="list and summary requests",
            total=_TOTAL_READS,
            per_store=_READS_PER_STORE,
            wait_seconds=_WAIT_SECONDS,
        )

    @asynccontextmanager
    async def snapshot(self, store_id: str) -> AsyncIterator[Connection]:
        """A read-only transaction whose statements all see the same state of the database."""
        async with self._slots.acquire(store_id), snapshot(self._reads) as connection:
            await connection.execute(_STATEMENT_LIMIT)
            yield connection
