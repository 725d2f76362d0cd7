"""The process lines of `make status`, from checks made now, not from the supervisor's last state."""

import asyncio
import shutil
import time
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from tools.stack import config, record
from tools.stack.config import SERVICES, Settings
from tools.stack.health import SERVERS, Health, Probe
from tools.stack.state import ProcessState, State

# Kafka and PostgreSQL need this much for the next segment of their logs.
_MIN_FREE_BYTES: Final = 50_000_000
# A longer state shifts the rest of its own line to the right, not the column of all lines.
_STATE_WIDTH: Final = 60

_ALL: Final = (*SERVERS, *SERVICES)


class Line(Struct, frozen=True):
    """A line: `state` is running, `not ready: <reason>` or `restarting: <reason>, in N s`; `metrics` is
    the port of a service's metrics."""

    name: str
    state: str
    pid: int | None
    address: str
    metrics: int | None = None

    @property
    def is_ready(self) -> bool:
        return self.state == "running"


def format_table(lines: Sequence[Line]) -> list[str]:
    """The lines as text, in columns."""
    width = min(max(len(line.state) for line in lines), _STATE_WIDTH)
    return [
        f"{line.name:<12}{line.state:<{width}}  {line.pid or '-'!s:<8}{line.address}"
        + (f"  metrics :{line.metrics}" if line.metrics else "")
        for line in lines
    ]


def create_probe(folder: Path) -> Probe:
    """A probe of the running stack in `folder`, at the addresses it was started with; raises
    StackError."""
    addresses = record.read_running(folder).addresses
    return Probe(addresses, config.stack_secrets(folder).internal_token)


async def check(stack: State, probe: Probe, *, only: Container[str] = _ALL) -> list[Line]:
    """The present state of the supervisor, of the disk where it is full, and of `only` these parts."""
    external = _external_servers(stack.settings)
    lines = await asyncio.gather(
        *(
            _process_line(stack, process, probe)
            for process in stack.processes
            if process.name in only
        ),
        *(_external_line(name, url, probe) for name, url in external if name in only),
    )
    return [_supervisor_line(stack), *lines, *_disk_line(stack.settings.folder)]


async def check_all(probe: Probe) -> list[Line]:
    """The present state of every server and service of a stack that has no supervisor."""
    addresses = probe.addresses
    urls = {
        "postgres": addresses.postgres_admin,
        "redis": addresses.redis,
        "kafka": addresses.kafka,
        **addresses.urls,
    }
    return await asyncio.gather(*(_external_line(name, url, probe) for name, url in urls.items()))


async def _process_line(stack: State, process: ProcessState, probe: Probe) -> Line:
    failure = _failure_of_process(process, supervisor=stack.pid)
    if failure is None:
        health = await _check_health(process.name, probe)
        failure = _describe_unready(process, health)
    metrics = probe.addresses.metrics.get(process.name)
    return Line(process.name, failure or "running", process.pid, process.address, metrics)


async def _check_health(name: str, probe: Probe) -> Health:
    health = await probe.health(name)
    if name == "kafka" and health.reason is None:
        missing = await probe.missing_topics()
        if missing:
            return Health(f"missing topics: {', '.join(sorted(missing))}")
    return health


def _failure_of_process(process: ProcessState, *, supervisor: int) -> str | None:
    """Why a process does not run, by the supervisor and the operating system; None where it runs."""
    if process.state == "restarting":
        return f"restarting: {process.reason}{_time_until(process.retry_at)}"
    if process.pid is None:
        return f"not ready: {process.reason or process.state}"
    try:
        running = psutil.Process(process.pid)
        if running.ppid() == supervisor and running.status() != psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        pass
    return f"not ready: process {process.pid} has ended"


def _time_until(retry_at: float | None) -> str:
    return "" if retry_at is None else f", in {max(retry_at - time.time(), 0):.0f} s"


def _describe_unready(process: ProcessState, health: Health) -> str | None:
    if health.reason is None:
        return None
    if not health.responds and process.pid is not None and is_frozen(process.pid):
        return f"not ready: frozen by a signal: {health.reason}"
    return f"not ready: {'starting: ' if process.state == 'starting' else ''}{health.reason}"


def is_frozen(pid: int) -> bool:
    """Whether SIGSTOP has suspended the process."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def _external_servers(settings: Settings) -> Sequence[tuple[str, str]]:
    """The name and address of each server that the settings point to and the stack did not start."""
    urls = (
        ("postgres", settings.postgres_url),
        ("redis", settings.redis_url),
        ("kafka", settings.kafka_url),
    )
    return [(name, url) for name, url in urls if url is not None]


async def _external_line(name: str, url: str, probe: Probe) -> Line:
    health = await _check_health(name, probe)
    state = "running" if health.reason is None else f"not ready: {health.reason}"
    # Without the user and password that the address may contain.
    address = url.rpartition("://")[2].rpartition("@")[2].partition("/")[0].partition("?")[0]
    return Line(name, state, None, address)


def _supervisor_line(stack: State) -> Line:
    """While the supervisor itself is frozen, it restarts nothing."""
    frozen = is_frozen(stack.pid)
    state = "not ready: frozen by a signal: `make up` resumes it" if frozen else "running"
    return Line("supervisor", state, stack.pid, stack.settings.home)


def _disk_line(folder: Path) -> Sequence[Line]:
    """A line only where the disk is full, or nearly."""
    free = shutil.disk_usage(folder).free
    if free >= _MIN_FREE_BYTES:
        return []
    state = f"not ready: {free / 1e6:.0f} MB left: free some space"
    return [Line("disk", state, None, str(folder))]
