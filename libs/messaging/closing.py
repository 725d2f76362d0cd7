"""Closes TLS connections to Kafka in a second, whether the broker confirms it or not.

aiokafka waits until a connection is closed. With TLS, uvloop closes it once the broker has confirmed
that, and waits 30 seconds for it. A broker does not always confirm, and a process may take only 15
seconds to stop: it would end without leaving its consumer groups.
"""

import asyncio
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection

CLOSE_SECONDS: Final = 1.0

_close: Final = AIOKafkaConnection.close


def install() -> None:
    """Make every connection of this process close in time."""
    AIOKafkaConnection.close = _close_in_time


def _close_in_time(self: Any, reason: Any = None, exc: BaseException | None = None) -> Any:
    """The future that aiokafka's `close` returns: done once the connection is closed."""
    writer = self._writer
    closed = _close(self, reason=reason, exc=exc)
    if writer is not None and closed is not None and not closed.done():
        # What was written is sent by now, and every response that matters was awaited.
        timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, writer.transport.abort)
        closed.add_done_callback(lambda _: timer.cancel())
    return closed
