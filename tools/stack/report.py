"""What `make status` says: each process asked now, not what the supervisor wrote some time ago."""

import asyncio
import shutil
import time
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Final

import msgspec
import psutil
from msgspec import Struct

from tools.stack import config, services
from tools.stack.config import SERVICES, Settings
from tools.stack.health import SERVERS, Health, Probe
from tools.stack.state import ProcessState, State

# Kafka and PostgreSQL need this much to begin another file of their logs.
_ROOM_BYTES: Final = 50_000_000
# A longer state pushes the rest of its own line to the right, not that of all.
_STATE_WIDTH: Final = 60


_ALL: Final = (*SERVERS, *SERVICES)


class Line(Struct, frozen=True):
    """One line: `state` is running, `not ready: why` or `restarting: why, in N s`."""

    name: str
    state: str
    pid: int | None
    address: str

    @property
    def is_ready(self) -> bool:
        return self.state == "running"


def table(lines: Sequence[Line]) -> list[str]:
    """The lines of `make status` on processes, in columns."""
    width = min(max(len(line.state) for line in lines), _STATE_WIDTH)
    return [
        f"{line.name:<12}{line.state:<{width}}  {line.pid or '-'!s:<8}{line.address}"
        for line in lines
    ]


def probe_of(known: State) -> Probe:
    """Asks the parts of a stack that runs, at the addresses it was started with."""
    secrets = config.stack_secrets(known.settings.folder)
    ports = {
        process.name: int(process.address.rpartition(":")[2])
        for process in known.processes
        if process.name not in SERVERS
    }
    where = services.addresses(known.settings, secrets)
    return Probe(msgspec.structs.replace(where, http=ports), secrets.internal_token)


async def look(known: State, probe: Probe, *, only: Container[str] = _ALL) -> list[Line]:
    """How every part of the stack is at this moment; of the processes, `only` these."""
    named = _named_servers(known.settings)
    lines = await asyncio.gather(
        *(_line(known, process, probe) for process in known.processes if process.name in only),
        *(_named_line(name, url, probe) for name, url in named if name in only),
    )
    return [_supervisor(known), *lines, *_room(known.settings.folder)]


async def _line(known: State, process: ProcessState, probe: Probe) -> Line:
    trouble = _trouble_of_process(process, supervisor=known.pid)
    if trouble is None:
        health = await _health(process.name, probe)
        trouble = _explain(process, health)
    return Line(process.name, trouble or "running", process.pid, process.address)


async def _health(name: str, probe: Probe) -> Health:
    health = await probe.health(name)
    if name == "kafka" and health.trouble is None:
        missing = await probe.missing_topics()
        if missing:
            return Health(f"missing topics: {', '.join(sorted(missing))}")
    return health


def _trouble_of_process(process: ProcessState, *, supervisor: int) -> str | None:
    """What the operating system and the supervisor say against a process; None for nothing."""
    if process.state == "restarting":
        return f"restarting: {process.why}{_when(process.retry_at)}"
    if process.pid is None:
        return f"not ready: {process.why or process.state}"
    try:
        found = psutil.Process(process.pid)
        if found.ppid() == supervisor and found.status() != psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        pass
    return f"not ready: process {process.pid} has ended"


def _when(retry_at: float | None) -> str:
    return "" if retry_at is None else f", in {max(retry_at - time.time(), 0):.0f} s"


def _explain(process: ProcessState, health: Health) -> str | None:
    if health.trouble is None:
        return None
    if not health.responds and process.pid is not None and is_frozen(process.pid):
        return f"not ready: frozen by a signal: {health.trouble}"
    return f"not ready: {'starting: ' if process.state == 'starting' else ''}{health.trouble}"


def is_frozen(pid: int) -> bool:
    """Whether a signal has stopped the process, which is there and does nothing."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def _named_servers(settings: Settings) -> Sequence[tuple[str, str]]:
    """The servers that the settings name, and nobody here started."""
    urls = (
        ("postgres", settings.postgres_url),
        ("redis", settings.redis_url),
        ("kafka", settings.kafka_url),
    )
    return [(name, url) for name, url in urls if url is not None]


async def _named_line(name: str, url: str, probe: Probe) -> Line:
    health = await _health(name, probe)
    state = "running" if health.trouble is None else f"not ready: {health.trouble}"
    # Without what the address may have of users and passwords.
    address = url.rpartition("://")[2].rpartition("@")[2].partition("/")[0]
    return Line(name, state, None, address)


def _supervisor(known: State) -> Line:
    """The supervisor restarts what is not ready, as long as it runs itself."""
    frozen = is_frozen(known.pid)
    state = "not ready: frozen by a signal: `make up` lets it go on" if frozen else "running"
    return Line("supervisor", state, known.pid, known.settings.home)


def _room(folder: Path) -> Sequence[Line]:
    """A line only where the disk is full, or nearly."""
    free = shutil.disk_usage(folder).free
    if free >= _ROOM_BYTES:
        return []
    trouble = f"not ready: {free / 1e6:.0f} MB free: make room"
    return [Line("disk", trouble, None, str(folder))]
