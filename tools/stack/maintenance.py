"""The periodic tasks of the supervisor: truncating logs, creating missing topics."""

import contextlib
from pathlib import Path
from typing import Final

from libs.messaging import topics
from libs.observability import logging
from tools.stack.health import Probe

# Each log has one older part of the same size, so that all logs together stay far below what a stack
# needs for its data.
MAX_LOG_BYTES: Final = 4_000_000

log: Final = logging.get(__name__)


async def create_missing_topics(probe: Probe) -> None:
    """Create the topics that the broker lacks."""
    missing = await probe.missing_topics()
    if missing:
        log.warning("creating_missing_topics", topics=sorted(missing))
        addresses = probe.addresses
        await topics.create(addresses.kafka, security=addresses.kafka_security)


def truncate_logs(folder: Path, *, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Empty each log over `max_bytes`, after copying its end to `<name>.log.1`, which is replaced.

    The file itself stays, since the process that writes it holds it open for appending. Lines
    written during the copy can be lost; on a full disk the copy fails and all lines are lost.
    """
    for path in folder.glob("*.log"):
        if path.stat().st_size > max_bytes:
            with contextlib.suppress(OSError):
                path.with_suffix(".log.1").write_bytes(_read_end(path, max_bytes))
            with path.open("r+b") as file:
                file.truncate(0)


def _read_end(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(-count, 2)
        return file.read()
