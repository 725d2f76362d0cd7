"""One child process of the supervisor: started, watched, started again, stopped."""

import asyncio
import ctypes
import os
import pwd
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from tools.stack.config import ROOT

_PR_SET_PDEATHSIG: Final = 1
_STOP_SECONDS: Final = 20.0
_FIRST_DELAY_SECONDS: Final = 0.5
_LONGEST_DELAY_SECONDS: Final = 30.0
# One that ran this long was well: its next death starts with a short delay again.
_WELL_SECONDS: Final = 60.0


class Program(Struct, frozen=True, kw_only=True):
    """What to run. `user` is given where it may not run as root."""

    name: str
    argv: Sequence[str]
    address: str
    environment: Mapping[str, str] = {}
    stop_signal: int = signal.SIGTERM
    user: str | None = None


class Child:
    """Keeps one program running until `stop`: a process that dies is started again with back-off."""

    def __init__(self, program: Program, logs: Path, changed: Callable[[], None]) -> None:
        self.program = program
        self.state = "starting"
        self.process: asyncio.subprocess.Process | None = None
        self._log = logs / f"{program.name}.log"
        self._changed = changed
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    async def start(self) -> None:
        """Start it; it is watched from now on."""
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_running(), name=self.program.name)

    async def stop(self) -> None:
        """End it in its own orderly way, or at last by force."""
        self._stopping = True
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(self.program.stop_signal)
            try:
                await asyncio.wait_for(self.process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        if self._watch is not None:
            self._watch.cancel()
        self._become("stopped")

    def last_words(self) -> str:
        """The end of its log."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return " · ".join(lines[-3:])[-600:]

    def is_running(self) -> None:
        """It is known to be ready."""
        self._become("running")

    async def _keep_running(self) -> None:
        delay = _FIRST_DELAY_SECONDS
        while self.process is not None:
            started = time.monotonic()
            code = await self.process.wait()
            if self._stopping:
                return
            if time.monotonic() - started > _WELL_SECONDS:
                delay = _FIRST_DELAY_SECONDS
            self._become(f"died ({_ending(code)}), starts again in {delay:g} s")
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY_SECONDS)
            await self._spawn()
            self._become("running")

    async def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.program.argv,
                cwd="/" if self.program.user else ROOT,
                env=_environment(self.program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.program.user,
                group=None if self.program.user is None else _group(self.program.user),
                extra_groups=None if self.program.user is None else [],
                preexec_fn=_die_with_parent(self.program.stop_signal),
            )
        self._changed()

    def _become(self, state: str) -> None:
        self.state = state
        self._changed()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without our own settings, which each program gets anew."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHALE_")}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _die_with_parent(stop_signal: int) -> Callable[[], None] | None:
    """On Linux a child is told when the supervisor dies, however it dies."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, stop_signal)

    return ask
