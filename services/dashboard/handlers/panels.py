"""Parts of a page that load in parallel: one that fails leaves the others standing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from msgspec import Struct

from whale_loyalty.errors import Unauthenticated, WhaleError

T = TypeVar("T")


class Failed(Struct, frozen=True):
    """Stands in for a part that could not be loaded."""

    detail: str
    code: str
    request_id: str | None


async def attempt(part: Awaitable[T]) -> T | Failed:
    """The part, or why it could not be loaded. Raises Unauthenticated, which ends the session."""
    try:
        return await part
    except Unauthenticated:
        raise
    except WhaleError as error:
        return Failed(error.detail, error.code, error.request_id)


def is_failed(part: object) -> bool:
    """Whether the part could not be loaded."""
    return isinstance(part, Failed)


class Shared:
    """What several requests ask within seconds of each other is asked once."""

    def __init__(self, *, seconds: float = 3.0, most: int = 1024) -> None:
        self._seconds = seconds
        self._most = most
        self._tasks: dict[tuple[str, ...], tuple[float, asyncio.Task[Any]]] = {}

    async def get(self, question: tuple[str, ...], load: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of `load`, or of an equal question that was asked shortly before."""
        now = time.monotonic()
        until, task = self._tasks.get(question, (0.0, None))
        if task is None or now > until or _has_failed(task):
            if len(self._tasks) >= self._most:
                self._tasks.clear()
            task = asyncio.get_running_loop().create_task(load())
            self._tasks[question] = (now + self._seconds, task)
        # A reader who leaves does not end it for the others.
        result: T = await asyncio.shield(task)
        return result


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
