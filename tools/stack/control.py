"""Restarts and repairs of a running stack.

To restart a process, it is terminated: the supervisor, its parent, starts it again. So signals are
the only channel to the supervisor, and a restart works while the disk is full.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Container, Sequence
from typing import Final

import psutil
from rich.console import Console

from tools.stack import report, state
from tools.stack.config import SERVICES
from tools.stack.errors import StackError
from tools.stack.health import SERVERS
from tools.stack.maintenance import create_missing_topics
from tools.stack.report import Line
from tools.stack.state import ProcessState, State

_POLL_SECONDS: Final = 0.2
# How long a process may take to terminate before it is killed.
_TERMINATE_SECONDS: Final = 15.0
_READY_SECONDS: Final = 90.0
# A service that only waited for its servers is ready again within this time.
_RECOVERY_SECONDS: Final = 5.0


def names_to_restart(stack: State, service: str | None) -> Sequence[str]:
    """All running services, or only `service`, which may be a server too; raises StackError."""
    running = [process.name for process in stack.processes]
    if service is None:
        return [name for name in running if name in SERVICES]
    if service not in running:
        raise StackError(f"There is no process {service}. Choose one of: {', '.join(running)}.")
    return [service]


async def restart(stack: State, names: Sequence[str], console: Console) -> None:
    """Terminate processes and wait until they are ready again; raises StackError after a timeout."""
    started = time.monotonic()
    console.print(f"Restarting {', '.join(names)} …")
    await _terminate_all(stack, names)
    await _wait_until_ready(stack, _affected_by(stack, names))
    console.print(f"Restarted and ready after {time.monotonic() - started:.1f} s.")


async def repair(stack: State, console: Console) -> bool:
    """Restart the parts that are not ready; returns whether there were any. Raises StackError where
    they are not ready afterwards."""
    started = time.monotonic()
    async with report.create_probe(stack.settings.folder) as probe:
        await create_missing_topics(probe)
        unready = _select_unready(await report.check(stack, probe))
    if not unready:
        return False
    console.print(f"Repairing: {_describe(unready)} …")
    # The servers first, since most services are ready again as soon as their servers are.
    await _restart_unready(stack, [line.name for line in unready if line.name in SERVERS])
    await _restart_unready(stack, await _services_not_recovered(stack))
    await _wait_until_ready(stack, [process.name for process in stack.processes])
    console.print(f"Repaired after {time.monotonic() - started:.1f} s.")
    return True


async def _restart_unready(stack: State, names: Sequence[str]) -> None:
    if names:
        await _terminate_all(stack, names)
        await _wait_until_ready(stack, names)


async def _services_not_recovered(stack: State) -> list[str]:
    """The services that are still not ready after a short time."""
    until = time.monotonic() + _RECOVERY_SECONDS
    while True:
        unready = [line.name for line in await _check_unready(stack, SERVICES)]
        if not unready or time.monotonic() > until:
            return [name for name in unready if name in SERVICES]
        await asyncio.sleep(_POLL_SECONDS)


def _affected_by(stack: State, names: Sequence[str]) -> list[str]:
    """The processes that a restart of `names` makes unready: with a server, all services too."""
    services = [process.name for process in stack.processes if process.name in SERVICES]
    return [*names, *services] if set(names) & set(SERVERS) else list(names)


async def _terminate_all(stack: State, names: Container[str]) -> None:
    """Terminate these processes, and have the supervisor start them without delay."""
    current = state.read(stack.settings.folder) or stack
    await asyncio.gather(
        *(
            _terminate(process, current.pid)
            for process in current.processes
            if process.name in names
        )
    )
    os.kill(current.pid, signal.SIGUSR1)


async def _terminate(process: ProcessState, supervisor: int) -> None:
    """Terminate a process gracefully, or kill it after a timeout."""
    if process.pid is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        running = psutil.Process(process.pid)
        # The operating system may have given the pid of an ended process to another one.
        if running.ppid() != supervisor:
            return
        running.send_signal(process.stop_signal)
        # A process that SIGSTOP has frozen handles no signal until it continues.
        running.send_signal(signal.SIGCONT)
        until = time.monotonic() + _TERMINATE_SECONDS
        while running.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > until:
                running.kill()
            await asyncio.sleep(_POLL_SECONDS)


async def _wait_until_ready(stack: State, names: Sequence[str]) -> None:
    """Wait until all of these pass their health checks; raises StackError after a timeout."""
    until = time.monotonic() + _READY_SECONDS
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        unready = await _check_unready(stack, names)
        if not any(line.name in names for line in unready):
            return
        if time.monotonic() > until:
            raise StackError(
                f"Not ready after {_READY_SECONDS:.0f} s: {_describe(unready)}. See `make logs` and "
                "docs/runbooks/status.md, or restart the whole stack: make down && make up"
            )


async def _check_unready(stack: State, names: Container[str]) -> list[Line]:
    """The lines that are not ready now: of these processes, of the supervisor, of the disk."""
    current = state.read(stack.settings.folder)
    if current is None or not state.is_running(stack.settings.folder):
        raise StackError("The supervisor has ended. Start the stack with `make up`.")
    async with report.create_probe(current.settings.folder) as probe:
        return _select_unready(await report.check(current, probe, only=names))


def _select_unready(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if not line.is_ready]


def _describe(lines: Sequence[Line]) -> str:
    return "; ".join(f"{line.name} is {line.state}" for line in lines)
