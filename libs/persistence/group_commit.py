"""Group commit: concurrent requests share one transaction, and an idle system waits for nothing.

Whatever is waiting when the lane is free goes now, as one batch. Each caller gets its own answer.
A batch that fails for a reason that will not pass is halved until the culprit stands alone, so one
bad request costs its neighbours nothing.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from libs.kernel.errors import Unavailable
from libs.persistence.errors import is_transient

_IN_USE_SECONDS: Final = 1.0
# Requests without end must not keep a background task from its work.
_GIVE_WAY_SECONDS: Final = 0.05

Q = TypeVar("Q")
A = TypeVar("A")


class _Waiting(Generic[Q, A]):
    __slots__ = ("answer", "request", "weight")

    def __init__(self, request: Q, weight: int, answer: asyncio.Future[A]) -> None:
        self.request = request
        self.weight = weight
        self.answer = answer


class GroupCommit(Generic[Q, A]):
    """Runs `post` over batches of requests, one batch at a time.

    `post` answers each request in order, with a value or with the exception its caller gets: a
    value that nothing changes later, since another request of the batch may concern the same. At
    most `max_weight` (a request weighs 1 unless it says otherwise) go into one transaction, which
    bounds how long its locks are held; one that weighs as much goes alone. At most `max_waiting`
    wait, and more are refused with Unavailable, since a queue that only grows helps nobody.
    """

    def __init__(
        self,
        post: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]],
        *,
        max_weight: int = 1_000,
        max_waiting: int = 5_000,
        observe: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._post = post
        self.max_weight: Final = max_weight
        self._max_waiting = max_waiting
        self._observe = observe
        self._waiting: deque[_Waiting[Q, A]] = deque()
        self._lane: asyncio.Task[None] | None = None
        self._submitted_at = -math.inf

    async def submit(self, request: Q, *, weight: int = 1) -> A:
        """Post `request` with whatever else is waiting, and answer it.

        A caller who is cancelled does not cancel the posting. Raises what `post` answered for this
        request, or Unavailable where the queue is full.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Unavailable("Too many requests are waiting. Try again in a moment.")
        self._submitted_at = time.monotonic()
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, weight, answer))
        if self._lane is None or self._lane.done():
            self._lane = asyncio.create_task(self._run(), name="group_commit")
        return await asyncio.shield(answer)

    @property
    def is_in_use(self) -> bool:
        """Whether requests came within the last second."""
        return time.monotonic() - self._submitted_at < _IN_USE_SECONDS

    async def yield_to_requests(self) -> None:
        """Let the requests that are waiting go first; a background task calls this between steps."""
        if self._lane is not None and not self._lane.done():
            await asyncio.wait({self._lane}, timeout=_GIVE_WAY_SECONDS)

    async def start(self) -> None:
        """Nothing: the first request starts the lane."""

    async def stop(self) -> None:
        """Wait until everything submitted so far has its result."""
        while self._lane is not None and not self._lane.done():
            await asyncio.shield(self._lane)

    async def _run(self) -> None:
        while self._waiting:
            # Requests that became ready in the same turn of the loop belong to the same batch.
            await asyncio.sleep(0)
            batch = self._take()
            self._observe(len(batch))
            await self._run_batch(batch)

    def _take(self) -> list[_Waiting[Q, A]]:
        batch = [self._waiting.popleft()]
        weight = batch[0].weight
        while self._waiting and weight + self._waiting[0].weight <= self.max_weight:
            weight += self._waiting[0].weight
            batch.append(self._waiting.popleft())
        return batch

    async def _run_batch(self, batch: Sequence[_Waiting[Q, A]]) -> None:
        try:
            answers = await self._post([one.request for one in batch])
        except Exception as error:  # noqa: BLE001  each caller gets it, whatever it is
            if len(batch) > 1 and not is_transient(error):
                middle = len(batch) // 2
                await self._run_batch(batch[:middle])
                await self._run_batch(batch[middle:])
                return
            answers = [error] * len(batch)
        except BaseException:
            for one in batch:
                one.answer.cancel()
            raise
        for one, answer in zip(batch, answers, strict=True):
            _resolve(one.answer, answer)


def _resolve(future: asyncio.Future[A], answer: A | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
        # The caller may have hung up; then nobody else will look at it.
        future.exception()
    else:
        future.set_result(answer)
