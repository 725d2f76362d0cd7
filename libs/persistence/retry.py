"""Retrying a transaction that lost a race against a concurrent one."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from libs.persistence.errors import ConcurrentWrite

T = TypeVar("T")

# The winner of a race has committed, so a retry sees its rows. After this many lost races in a row
# there is contention that the caller's own retry, a moment later, resolves better.
ATTEMPTS: Final = 5


async def retry_lost_race(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run `attempt` and return its result; retry it after ConcurrentWrite, ATTEMPTS times in all.

    Raises the last ConcurrentWrite. Each attempt must open its own transaction and read again
    everything that it uses.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return await attempt()
        except ConcurrentWrite:
            continue
    return await attempt()
