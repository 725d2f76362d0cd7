"""A service, ending itself by SIGKILL at a named point.

`python -m tests.chaos.killable SERVICE POINT NTH`. The points are set from outside, around functions
of the service, so that the service has no switch for them.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from libs.kernel.settings import load
from libs.messaging import outbox, relay
from libs.messaging.consumer import BatchConsumer
from libs.observability import logging
from libs.persistence import stored_responses
from libs.persistence.group_commit import GroupCommit
from libs.web.serve import serve
from services.anomaly.store import digests, earnings
from services.earning.handlers import posting, sweeping
from services.earning.store import due_accounts, store_visits
from services.redemption import consumers
from services.redemption.clients import Ledger
from services.redemption.store import desk

# What is wrapped, and whether it dies before or after it ran.
Point = tuple[Any, str, bool]

POINTS: dict[str, dict[str, Point]] = {
    "earning": {
        "committed, offset not": (BatchConsumer, "_commit", False),
        "offset committed": (BatchConsumer, "_commit", True),
        "written, not committed": (stored_responses, "store", True),
        "locked, not written": (posting, "write", False),
        "published, not removed": (relay, "_publish", True),
        "publishing": (relay, "_publish_to", True),
    },
    "redemption": {
        "before it is reserved": (desk, "write", False),
        "written, not committed": (desk, "write", True),
        "reserved, not debited": (Ledger, "debit", False),
        "debited, not confirmed": (Ledger, "debit", True),
        "cancelling, not returned": (Ledger, "cancel", False),
        "returned, not cancelled": (Ledger, "cancel", True),
    },
    # The caller has the response, and redemption does not know of the debit.
    "redemption after its response": {
        "event read, not confirmed": (consumers, "apply", False),
        "confirmed, offset not": (BatchConsumer, "_commit", False),
        "debit found, not confirmed": (Ledger, "find_debits", True),
    },
    "anomaly": {
        "recorded, not in digests": (earnings, "add_new", True),
        "in digests, not judged": (digests, "write", True),
        "judged, not committed": (outbox, "append", True),
        "committed, offset not": (BatchConsumer, "_commit", False),
        "offset committed": (BatchConsumer, "_commit", True),
        "published, not removed": (relay, "_publish", True),
    },
    "earning sweeper": {
        "due, not posted": (due_accounts, "read", True),
        "written, not committed": (posting, "write", True),
        "posted, place not recorded": (sweeping, "_post", True),
        "visited, visit not ended": (store_visits, "end", False),
    },
    # The ledger posted a debit, and redemption received no response.
    "earning for redemption": {
        "debit locked, not written": (posting, "write", False),
        "debit committed, not answered": (GroupCommit, "_run_or_split", True),
    },
}


# The points inside the transaction of a batch; each other point is after its commit.
BEFORE_COMMIT = {
    "earning": ("written, not committed", "locked, not written"),
    "anomaly": ("recorded, not in digests", "in digests, not judged", "judged, not committed"),
}
AFTER_COMMIT = {
    group: [point for point in POINTS[group] if point not in points]
    for group, points in BEFORE_COMMIT.items()
}


def arm(group: str, point: str, nth: int) -> None:
    """Die at the `nth` passing of `point`."""
    owner, name, after = POINTS[group][point]
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


def main(group: str, point: str, nth: int) -> None:
    service = group.partition(" ")[0]
    arm(group, point, nth)
    app = importlib.import_module(f"services.{service}.app")
    kind = importlib.import_module(f"services.{service}.settings").Settings
    settings = load(kind, os.environ)
    logging.configure(service=service, level="warning")
    serve(app.build(settings), host="127.0.0.1", port=settings.http_port, metrics_port=0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
