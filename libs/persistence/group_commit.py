"""Group commit: concurrent requests share one transaction, and a request that arrives alone is not delayed.

While a batch runs, requests queue up; they become the next batch. Where fewer are queued than the
previous batch had, the others are probably about to arrive, and the batch waits for them a moment: a
transaction costs more than the requests in it. Each caller gets its own result. A batch that fails with
an error that is not transient is split in halves until the failing request is alone, so that an invalid
request does not fail its neighbors.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from libs.kernel.errors import Unavailable
from libs.observability import tracing
from libs.persistence.errors import is_transient

_RECENT_SECONDS: Final = 1.0
# How long a background task yields at most: a steady stream of requests must not starve it.
_YIELD_SECONDS: Final = 0.05
# How long a batch of writes waits to become as large as the previous one. Callers that got their results
# together send their next requests within about this time.
GATHER_SECONDS: Final = 0.003

Request = TypeVar("Request")
Result = TypeVar("Result")


class _PendingRequest(Generic[Request, Result]):
    __slots__ = ("request", "result", "traceparent", "weight")

    def __init__(self, request: Request, weight: int, result: asyncio.Future[Result]) -> None:
        self.request = request
        self.weight = weight
        self.result = result
        self.traceparent = tracing.current()


class GroupCommit(Generic[Request, Result]):
    """Runs `run_batch` over batches of requests, one batch at a time.

    `run_batch` returns a result per request, in order: a value, or the exception to raise to its
    caller. The value must not be changed afterwards, since requests of a batch may share it.

    Requests with a combined weight of at most `max_weight` share a transaction, which bounds how
    long its locks are held; a request of that weight or more runs alone. Beyond `max_queued` queued
    requests, `submit` raises Unavailable: a longer queue would only make callers time out.

    Where fewer requests are queued than the previous batch had, the batch waits for `gather_seconds`.
    """

    def __init__(
        self,
        run_batch: Callable[[Sequence[Request]], Awaitable[Sequence[Result | Exception]]],
        *,
        max_weight: int = 1_000,
        max_queued: int = 5_000,
        gather_seconds: float = 0.0,
        observe: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._run_batch = run_batch
        self.max_weight: Final = max_weight
        self._max_queued = max_queued
        self._gather_seconds = gather_seconds
        self._observe = observe
        self._queue: deque[_PendingRequest[Request, Result]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._submitted_at = -math.inf
        # How many requests the previous batch had.
        self._previous = 0

    async def submit(self, request: Request, *, weight: int = 1) -> Result:
        """Run `request` in the next batch, and return its result.

        The request runs even if the caller is cancelled. Raises the exception that `run_batch`
        returned for the request, or Unavailable if the queue is full.
        """
        if len(self._queue) >= self._max_queued:
            raise Unavailable("Too many requests are waiting. Try again in a moment.")
        self._submitted_at = time.monotonic()
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append(_PendingRequest(request, weight, result))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._run(), name="group_commit")
        # Nothing else awaits the result, so a caller that is cancelled cancels only that.
        return await result

    @property
    def has_recent_requests(self) -> bool:
        """Whether a request was submitted within the last second."""
        return time.monotonic() - self._submitted_at < _RECENT_SECONDS

    async def yield_to_requests(self) -> bool:
        """Let queued requests run first; a background task calls this between its steps. Returns
        whether there were any."""
        if self._worker is None or self._worker.done():
            return False
        await asyncio.wait({self._worker}, timeout=_YIELD_SECONDS)
        return True

    async def start(self) -> None:
        """Do nothing: the first request starts the worker."""

    async def stop(self) -> None:
        """Wait until every submitted request has its result."""
        while self._worker is not None and not self._worker.done():
            await asyncio.shield(self._worker)

    async def _run(self) -> None:
        while self._queue:
            # Requests submitted in this iteration of the event loop join the batch.
            await asyncio.sleep(0)
            if len(self._queue) < self._previous:
                await asyncio.sleep(self._gather_seconds)
            batch = self._next_batch()
            self._previous = len(batch)
            self._observe(len(batch))
            await self._run_or_split(batch)

    def _next_batch(self) -> list[_PendingRequest[Request, Result]]:
        batch = [self._queue.popleft()]
        weight = batch[0].weight
        while self._queue and weight + self._queue[0].weight <= self.max_weight:
            weight += self._queue[0].weight
            batch.append(self._queue.popleft())
        return batch

    async def _run_or_split(self, batch: Sequence[_PendingRequest[Request, Result]]) -> None:
        traces = (pending.traceparent for pending in batch)
        try:
            with tracing.batch_span("group commit", "internal", traces):
                results = await self._run_batch([pending.request for pending in batch])
        except Exception as error:  # noqa: BLE001  each caller gets it, whatever it is
            if len(batch) > 1 and not is_transient(error):
                middle = len(batch) // 2
                await self._run_or_split(batch[:middle])
                await self._run_or_split(batch[middle:])
                return
            results = [error] * len(batch)
        except BaseException:
            for pending in batch:
                pending.result.cancel()
            raise
        for pending, result in zip(batch, results, strict=True):
            _resolve(pending.result, result)


def _resolve(future: asyncio.Future[Result], result: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
        # Mark the exception as retrieved: otherwise asyncio would log it if the caller was cancelled.
        future.exception()
    else:
        future.set_result(result)
