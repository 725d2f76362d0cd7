"""What the supervisor does regularly besides watching its children: it bounds logs, keeps topics."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from libs.messaging import topics
from tools.stack.health import Probe

# Two of each are kept, so that all logs together stay far below what a stack needs for its data.
MAX_LOG_BYTES: Final = 4_000_000
# A topic that somebody deleted is back within this time.
TOPICS_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


async def regularly(every_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` until cancelled; whatever it raises, it is done again."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("the supervisor's upkeep failed and is tried again")
        await asyncio.sleep(every_seconds)


async def keep_topics(probe: Probe) -> None:
    """Create the topics that are missing."""
    missing = await probe.missing_topics()
    if missing:
        log.warning("topics are missing and are created: %s", ", ".join(sorted(missing)))
        await topics.create(probe.kafka, security=probe.kafka_security)


def bound_logs(folder: Path, *, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Move what a log has beyond its bound to `<name>.log.1`, in place of what was there.

    The file itself stays, since the process that writes it has it open for appending. What it
    writes at this very moment can be lost; so is all of it where the disk is full.
    """
    for path in folder.glob("*.log"):
        if path.stat().st_size > max_bytes:
            with contextlib.suppress(OSError):
                path.with_suffix(".log.1").write_bytes(_last(path, max_bytes))
            with path.open("r+b") as file:
                file.truncate(0)


def _last(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(-count, 2)
        return file.read()
