"""Retrying a transaction that lost a race against a concurrent one."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from libs.persistence.errors import ConcurrentWrite

T = TypeVar("T")

# Each race is lost to a transaction that committed, so a retry sees its rows. Losing so often in a
# row means contention that the caller's own retry, a moment later, resolves better.
ATTEMPTS: Final = 5


async def retry_lost_race(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run `attempt`, again when it raises ConcurrentWrite; raises the last one after ATTEMPTS.

    `attempt` opens its own transaction and reads everything again: nothing that it read before the
    race may be reused.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return await attempt()
        except ConcurrentWrite:
            continue
    return await attempt()
