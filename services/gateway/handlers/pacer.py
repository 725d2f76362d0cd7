"""The pace of requests without a valid API key: all of them together share it."""

import asyncio
import time
from typing import Final

from libs.kernel.errors import Unavailable

# Enough for all keys of a busy service after a restart, when none of them is cached. A tenth of what a
# process can serve.
_PER_SECOND: Final = 500
# So many without waiting after a pause.
_BURST: Final = 100
# A request that would wait longer is refused immediately. All connections of unauthenticated callers
# together fit within it.
_MAX_WAIT_SECONDS: Final = 2.0


class Pacer:
    """Lets requests pass at a fixed rate, in the order in which they arrive."""

    def __init__(
        self,
        *,
        per_second: float = _PER_SECOND,
        burst: int = _BURST,
        max_wait_seconds: float = _MAX_WAIT_SECONDS,
    ) -> None:
        self._interval = 1 / per_second
        self._slack = burst * self._interval
        self._max_wait = max_wait_seconds
        # When the next request may pass, if there had been no pause.
        self._next = 0.0

    async def wait(self) -> None:
        """Wait until the request may pass. Raises Unavailable where that would take too long."""
        now = time.monotonic()
        due = max(self._next, now - self._slack)
        if due - now > self._max_wait:
            raise Unavailable(
                "Too many requests without a valid API key are waiting. Try again in a moment.",
                retry_after_seconds=max(1, round(self._max_wait)),
            )
        self._next = due + self._interval
        if due > now:
            await asyncio.sleep(due - now)
