"""What those who show no valid key may ask of us: so many turns a second for all of them together."""

import asyncio
import time
from typing import Final

from libs.kernel.errors import Unavailable

# Enough for all keys of a busy service after a restart, when none of them is known; a tenth of what
# a process can answer.
_TURNS_PER_SECOND: Final = 500
# So many at once after a pause.
_BURST: Final = 100
# Who would wait longer is refused at once. All the strangers' connections together fit in.
_LONGEST_WAIT_SECONDS: Final = 2.0


class Pace:
    """Hands out turns in the order in which they are asked for."""

    def __init__(
        self,
        *,
        per_second: float = _TURNS_PER_SECOND,
        burst: int = _BURST,
        longest_wait_seconds: float = _LONGEST_WAIT_SECONDS,
    ) -> None:
        self._interval = 1 / per_second
        self._slack = burst * self._interval
        self._longest = longest_wait_seconds
        # When the next turn is due, if nobody had paused.
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for a turn; raises Unavailable where it would take too long."""
        now = time.monotonic()
        due = max(self._next, now - self._slack)
        if due - now > self._longest:
            raise Unavailable(
                "Too many requests without a valid API key are waiting. Try again in a moment.",
                retry_after_seconds=max(1, round(self._longest)),
            )
        self._next = due + self._interval
        if due > now:
            await asyncio.sleep(due - now)
