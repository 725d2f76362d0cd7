"""Waiting for what happens elsewhere: with a deadline, never with a fixed sleep."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    look: Callable[[], Awaitable[T] | T], *, within_seconds: float = 10.0, every: float = 0.05
) -> T:
    """Call `look` until it neither raises nor answers False; answers what it answered.

    After the deadline it raises what `look` raised last, or TimeoutError. Whatever it raises is
    waited over, not assertions alone: what is not there yet shows as a missing key just as well.
    """
    until = time.monotonic() + within_seconds
    while True:
        try:
            seen = look()
            result: T = await seen if inspect.isawaitable(seen) else seen
            if result is not False:
                return result
            failure: Exception = TimeoutError(f"still not after {within_seconds} s")
        except Exception as error:  # noqa: BLE001  it is raised after the deadline
            failure = error
        if time.monotonic() > until:
            raise failure
        await asyncio.sleep(every)
