"""Waits for an effect of another task or process: with a deadline, never with a fixed sleep."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, cast, overload

T = TypeVar("T")

# What takes milliseconds on an idle machine may take this long while others keep its cores busy.
PATIENCE_SECONDS: Final = 60.0


@overload
async def eventually(
    check: Callable[[], Awaitable[T]],
    *,
    within_seconds: float = PATIENCE_SECONDS,
    every: float = 0.05,
) -> T: ...
@overload
async def eventually(
    check: Callable[[], T], *, within_seconds: float = PATIENCE_SECONDS, every: float = 0.05
) -> T: ...
async def eventually(
    check: Callable[[], Awaitable[T] | T],
    *,
    within_seconds: float = PATIENCE_SECONDS,
    every: float = 0.05,
) -> T:
    """Call `check` until it neither raises nor returns False; returns its result.

    After the deadline, it raises the last exception of `check`, or TimeoutError. Before, every
    exception is retried, not only failed assertions: a missing effect may show as a KeyError, for
    example.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            returned = check()
            result = cast("T", await returned if inspect.isawaitable(returned) else returned)
            if result is not False:
                return result
            failure: Exception = TimeoutError(f"still False after {within_seconds} s")
        except Exception as error:  # noqa: BLE001  it is raised after the deadline
            failure = error
        if time.monotonic() > deadline:
            raise failure
        await asyncio.sleep(every)
