"""Programs of the project, started as copies of a process that has imported the services.

The imports of a service take a second of the processor, and tests start more than a hundred services.
"""

import asyncio
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from typing import Final

from tests.support import ROOT
from tools.stack.config import SERVICES

_POLL_SECONDS: Final = 0.02

_context: Final = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([f"services.{service}.app" for service in SERVICES])


class ForkedProcess:
    """A process that `start` started; its methods are those of asyncio's processes."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait until the process has ended; returns its exit code, or the negated signal."""
        while (code := self.returncode) is None:
            await asyncio.sleep(_POLL_SECONDS)
        return code

    def _send(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)


def start(module: str, *arguments: str, environment: Mapping[str, str]) -> ForkedProcess:
    """Run `python -m module arguments` in the project's folder, with this environment and without
    output except errors. It never outlives the tests."""
    process = _context.Process(
        target=_run, args=(module, arguments, dict(environment)), name=module, daemon=True
    )
    process.start()
    return ForkedProcess(process)


def _run(module: str, arguments: Sequence[str], environment: dict[str, str]) -> None:
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
