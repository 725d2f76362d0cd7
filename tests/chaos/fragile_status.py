"""The status of the fragile stack, read as `make status` does."""

import os
from collections.abc import Sequence

import pytest

from libs.testing.eventually import eventually
from tests.support import Stack
from tools.stack import report, state
from tools.stack.config import SERVICES
from tools.stack.health import SERVERS
from tools.stack.report import Line

PROCESSES = (*SERVERS, *SERVICES)
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
# A stack is restarted as a whole in some tests, which takes most of a minute under load.
TIMEOUT = pytest.mark.timeout(300)


def read_state(stack: Stack) -> state.State:
    current = state.read(stack.home)
    assert current is not None
    return current


async def read_lines(stack: Stack, names: Sequence[str] = PROCESSES) -> dict[str, Line]:
    """The lines of `make status` for these processes, without the time of starting the command."""
    current = read_state(stack)
    async with report.create_probe(stack.home) as probe:
        return {line.name: line for line in await report.check(current, probe, only=names)}


async def wait_until_ready(stack: Stack, *, within_seconds: float = 120) -> None:
    """Wait until every process is ready by itself."""

    async def all_run() -> None:
        lines = await read_lines(stack)
        others = {name: line.state for name, line in lines.items() if line.state != "running"}
        assert others == {}, others

    await eventually(all_run, within_seconds=within_seconds, every=0.5)


def read_pids(stack: Stack) -> dict[str, int]:
    """The process id of each process."""
    processes = read_state(stack).processes
    return {process.name: process.pid for process in processes if process.pid is not None}
