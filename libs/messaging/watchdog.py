"""Detects a consumer that makes no progress although no error was raised."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

from libs.messaging.stopped_partitions import name_of

# A member that has not completed a poll, or a fetch of one of its partitions, for this long does no
# work.
_SILENCE_SECONDS: Final = 15.0
# Within this time a batch is processed or its retries report a reason; otherwise it hangs.
_BATCH_SECONDS: Final = 60.0


class Watchdog:
    """Watches the batches and the polls of one consumer."""

    def __init__(self) -> None:
        self._batch_started_at: float | None = None

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """A batch is processed inside this context."""
        self._batch_started_at = time.monotonic()
        try:
            yield
        finally:
            self._batch_started_at = None

    def reason(self, consumer: Any) -> str | None:
        """Why `consumer`, a WatchedConsumer, makes no progress, or None."""
        now = time.monotonic()
        if self._batch_started_at is not None:
            busy = now - self._batch_started_at
            return f"a batch has taken {busy:.0f} s" if busy > _BATCH_SECONDS else None
        silence = now - consumer.polled_at
        if silence > _SILENCE_SECONDS:
            return f"no poll has completed for {silence:.0f} s"
        for partition in consumer.assignment() - consumer.paused():
            fetched = consumer.last_poll_timestamp(partition)
            if fetched is not None and time.time() - fetched / 1_000 > _SILENCE_SECONDS:
                return f"Kafka has not returned a fetch of {name_of(partition)} for too long"
        return None
