"""Earning, ending itself by SIGKILL at a named point: `python -m tests.chaos.killable POINT NTH`.

The points are set from outside, around functions of the service, so that the service has no switch
for them.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from libs.kernel.settings import load
from libs.messaging.consumer import BatchConsumer
from libs.messaging.relay import Relay
from libs.observability import logging
from libs.web.serve import serve
from services.earning.app import build
from services.earning.handlers import posting
from services.earning.settings import Settings
from services.earning.store import ledger

POINTS: dict[str, tuple[Any, str, bool]] = {
    # What is wrapped, and whether it dies before or after it ran.
    "committed, offset not": (BatchConsumer, "_commit", False),
    "offset committed": (BatchConsumer, "_commit", True),
    "written, not committed": (posting.idempotency, "keep", True),
    "locked, not written": (ledger, "write", False),
    "published, not removed": (Relay, "_publish", True),
    "publishing": (Relay, "_publish_to", True),
}


def arm(point: str, nth: int) -> None:
    """Die at the `nth` passing of `point`."""
    owner, name, after = POINTS[point]
    original: Callable[..., Any] = getattr(owner, name)
    passed = 0

    async def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal passed
        passed += 1
        if passed == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await original(*args, **kwargs)
        if passed >= nth and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    settings = load(Settings, os.environ)
    logging.configure(service="earning", level="warning")
    serve(build(settings), host="127.0.0.1", port=settings.http_port, metrics_port=0)
