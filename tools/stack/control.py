"""Restarting parts of a stack that is up, and repairing what of it is not ready.

A process is restarted by being ended: the supervisor, whose child it is, starts it again. So this
needs no way to speak to the supervisor but signals, and works while the disk is full.
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
from tools.stack.report import Line
from tools.stack.state import ProcessState, State
from tools.stack.upkeep import keep_topics

_LOOK_SECONDS: Final = 0.2
# How long a process may take to end in order, before it is killed.
_END_SECONDS: Final = 15.0
_READY_SECONDS: Final = 90.0
# What needs no more than its servers back is ready by itself within this time.
_BY_ITSELF_SECONDS: Final = 5.0


def names_to_restart(known: State, service: str | None) -> Sequence[str]:
    """The services that run, or the one service or server named; raises StackError."""
    running = [process.name for process in known.processes]
    if service is None:
        return [name for name in running if name in SERVICES]
    if service not in running:
        raise StackError(f"There is no {service} here. Name one of: {', '.join(running)}.")
    return [service]


async def restart(known: State, names: Sequence[str], console: Console) -> None:
    """End processes and wait until the stack is ready again; raises StackError where it is not."""
    started = time.monotonic()
    console.print(f"Restarting {', '.join(names)} …")
    await _end_all(known, names)
    await _wait_until_ready(known, _needing(known, names))
    console.print(f"Restarted and ready after {time.monotonic() - started:.1f} s.")


async def repair(known: State, console: Console) -> bool:
    """Bring back what is not ready; returns whether there was anything. Raises StackError where it
    is not ready afterwards."""
    started = time.monotonic()
    async with report.probe_of(known) as probe:
        await keep_topics(probe)
        ailing = _not_ready(await report.look(known, probe))
    if not ailing:
        return False
    console.print(f"Repairing: {_listed(ailing)} …")
    # The servers first, since most services are ready again as soon as their servers are.
    await _repair(known, [line.name for line in ailing if line.name in SERVERS])
    await _repair(known, await _still_not_ready(known))
    await _wait_until_ready(known, [process.name for process in known.processes])
    console.print(f"Repaired after {time.monotonic() - started:.1f} s.")
    return True


async def _repair(known: State, names: Sequence[str]) -> None:
    if names:
        await _end_all(known, names)
        await _wait_until_ready(known, names)


async def _still_not_ready(known: State) -> list[str]:
    """The services that are not ready by themselves within a short time."""
    until = time.monotonic() + _BY_ITSELF_SECONDS
    while True:
        ailing = [line.name for line in await _not_ready_of(known, SERVICES)]
        if not ailing or time.monotonic() > until:
            return [name for name in ailing if name in SERVICES]
        await asyncio.sleep(_LOOK_SECONDS)


def _needing(known: State, names: Sequence[str]) -> list[str]:
    """What is not ready for a moment when these are restarted: with a server, all services."""
    services = [process.name for process in known.processes if process.name in SERVICES]
    return [*names, *services] if set(names) & set(SERVERS) else list(names)


async def _end_all(known: State, names: Container[str]) -> None:
    """End these processes, and have the supervisor start them without delay."""
    present = state.read(known.settings.folder) or known
    await asyncio.gather(
        *(_end(process, present.pid) for process in present.processes if process.name in names)
    )
    os.kill(present.pid, signal.SIGUSR1)


async def _end(process: ProcessState, supervisor: int) -> None:
    """End a process in its own orderly way, or at last by force."""
    if process.pid is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(process.pid)
        # A pid that was freed may be anybody's by now.
        if found.ppid() != supervisor:
            return
        found.send_signal(process.stop_signal)
        # A frozen one would never see the signal before.
        found.send_signal(signal.SIGCONT)
        until = time.monotonic() + _END_SECONDS
        while found.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > until:
                found.kill()
            await asyncio.sleep(_LOOK_SECONDS)


async def _wait_until_ready(known: State, names: Sequence[str]) -> None:
    """Wait until all of these are ready, asked themselves; raises StackError where one is not."""
    until = time.monotonic() + _READY_SECONDS
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        ailing = await _not_ready_of(known, names)
        if not any(line.name in names for line in ailing):
            return
        if time.monotonic() > until:
            raise StackError(
                f"Not ready after {_READY_SECONDS:.0f} s: {_listed(ailing)}. See `make logs` and "
                "docs/runbooks/status.md, or start it from a stop: make down && make up"
            )


async def _not_ready_of(known: State, names: Container[str]) -> list[Line]:
    """Which of these are not ready now; also the supervisor and the disk, where they are not."""
    present = state.read(known.settings.folder)
    if present is None or not state.is_running(known.settings.folder):
        raise StackError("The supervisor has ended. Start the stack with `make up`.")
    async with report.probe_of(present) as probe:
        return _not_ready(await report.look(present, probe, only=names))


def _not_ready(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if not line.is_ready]


def _listed(lines: Sequence[Line]) -> str:
    return "; ".join(f"{line.name} is {line.state}" for line in lines)
