"""One child process of the supervisor: started, watched, restarted, stopped."""

import asyncio
import contextlib
import ctypes
import logging
import os
import pwd
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from tools.stack.config import ROOT
from tools.stack.errors import explain
from tools.stack.health import Health
from tools.stack.process import Program

_PR_SET_PDEATHSIG: Final = 1
# How long an orderly end may take: when the stack stops, and of a process that is not well.
_STOP_SECONDS: Final = 20.0
_END_SECONDS: Final = 5.0
_FIRST_DELAY_SECONDS: Final = 0.2
_LONGEST_DELAY_SECONDS: Final = 10.0
# How often it is asked how it is: while it starts, for so long; when it is ready; when it is not.
_STARTING_SECONDS: Final = 0.1
_QUICK_START_SECONDS: Final = 15.0
_READY_SECONDS: Final = 5.0
_UNREADY_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class Care(Struct, frozen=True, kw_only=True):
    """How a child is looked after: how it is asked how it is, and when it is restarted."""

    ask: Callable[[], Awaitable[Health]]
    # Whether what it depends on is ready: a restart would not help a service that waits for Kafka.
    can_be_ready: Callable[[], bool]
    start_seconds: float = 120.0
    # One that does not respond for so long is frozen or stuck.
    silent_seconds: float
    # One that responds, but is not ready for so long although it could be: longer than a consumer
    # takes between its own retries. Doubled with each restart that did not help, since a restart
    # interrupts what still works.
    unready_seconds: float = 120.0
    longest_unready_seconds: float = 600.0


class Child:
    """Keeps one program running and ready until `stop`.

    `state` is starting, running, not ready, restarting or stopped; `why` is what is wrong with it.
    `failures` counts the starts in a row that did not become ready: they alone delay the next one.
    """

    def __init__(
        self, program: Program, logs: Path, changed: Callable[[], None], care: Care
    ) -> None:
        self.program = program
        self.state = "starting"
        self.why: str | None = None
        self.retry_at: float | None = None
        self.failures = 0
        self.process: asyncio.subprocess.Process | None = None
        self._log = logs / f"{program.name}.log"
        self._changed = changed
        self._care = care
        self._unready_limit = care.unready_seconds
        self._watch: asyncio.Task[None] | None = None
        self._start_now = asyncio.Event()
        self._was_ready = False
        self._started_at = self._responded_at = self._ready_since = 0.0
        # From when on its not being ready counts.
        self._patient_since = 0.0

    @property
    def pid(self) -> int | None:
        """Of the process that runs, if one does."""
        runs = self.process is not None and self.process.returncode is None
        return self.process.pid if runs and self.process is not None else None

    def start(self) -> None:
        """Start it; it is watched from now on."""
        self._watch = asyncio.create_task(self._keep_running(), name=self.program.name)

    def start_now(self) -> None:
        """Cut a delay before the next start short."""
        self._start_now.set()

    async def stop(self) -> None:
        """End it in its own orderly way, or at last by force."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        await self._end(within_seconds=_STOP_SECONDS)
        self._become("stopped")

    def last_words(self) -> str:
        """The end of its log."""
        try:
            lines = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return " · ".join(lines[-3:])[-600:]

    async def _keep_running(self) -> None:
        """Run it until cancelled: whatever raises, a full disk included, is one more failed start."""
        while True:
            try:
                process = await self._spawn()
                why = await self._until_unwell(process)
                self._become("restarting", why)
                await self._end(within_seconds=_END_SECONDS)
            except Exception as error:
                log.exception("%s could not be watched", self.program.name)
                why = explain(error)
            await self._wait_before_start(why)

    async def _wait_before_start(self, why: str) -> None:
        delay = min(_FIRST_DELAY_SECONDS * 2**self.failures, _LONGEST_DELAY_SECONDS)
        self.failures = min(self.failures + 1, 10)
        self.retry_at = time.time() + delay
        self._start_now.clear()
        self._become("restarting", why)
        log.warning("%s is restarted in %.1f s: %s", self.program.name, delay, why)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._start_now.wait()
        self.retry_at = None

    async def _until_unwell(self, process: asyncio.subprocess.Process) -> str:
        """Watch a process; returns why it must be restarted."""
        exited = asyncio.ensure_future(process.wait())
        try:
            while True:
                await asyncio.wait({exited}, timeout=self._interval())
                if exited.done():
                    return _ending(exited.result())
                why = await self._look()
                if why is not None:
                    return why
        finally:
            exited.cancel()

    def _interval(self) -> float:
        if self.state == "running":
            return min(_READY_SECONDS, self._care.silent_seconds / 3)
        quick = time.monotonic() - self._started_at < _QUICK_START_SECONDS
        return _STARTING_SECONDS if self.state == "starting" and quick else _UNREADY_SECONDS

    async def _look(self) -> str | None:
        """Ask it how it is; returns why it must be restarted now, if it must."""
        health = await self._care.ask()
        now = time.monotonic()
        if health.responds:
            self._responded_at = now
        if health.trouble is None:
            self._is_ready(now)
            return None
        self._become("not ready" if self._was_ready else "starting", health.trouble)
        if self._was_ready and not health.responds:
            is_frozen = now - self._responded_at > self._care.silent_seconds
            return health.trouble if is_frozen else None
        if not self._care.can_be_ready():
            self._patient_since = now
        limit = self._unready_limit if self._was_ready else self._care.start_seconds
        if now - self._patient_since <= limit:
            return None
        if self._was_ready:
            self._unready_limit = min(limit * 2, self._care.longest_unready_seconds)
        return f"not ready for {limit:.0f} s: {health.trouble}"

    def _is_ready(self, now: float) -> None:
        if self.state != "running":
            self._ready_since = now
        elif now - self._ready_since > self._unready_limit:
            self._unready_limit = self._care.unready_seconds
        self.failures = 0
        self._was_ready = True
        self._patient_since = now
        self._become("running")

    async def _spawn(self) -> asyncio.subprocess.Process:
        with _appending(self._log) as output:
            self.process = await asyncio.create_subprocess_exec(
                *self.program.argv,
                cwd="/" if self.program.user else ROOT,
                env=_environment(self.program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=self.program.user,
                group=None if self.program.user is None else _group(self.program.user),
                extra_groups=None if self.program.user is None else [],
                preexec_fn=_die_with_parent(self.program.stop_signal),
            )
        self._was_ready = False
        self._started_at = self._responded_at = self._patient_since = time.monotonic()
        self.state, self.why = "starting", None
        self._announce()
        return self.process

    async def _end(self, *, within_seconds: float) -> None:
        """End the process, if it still runs: in its own orderly way, or at last by force."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.program.stop_signal)
            # A frozen one would never see the signal before.
            process.send_signal(signal.SIGCONT)
        try:
            await asyncio.wait_for(process.wait(), within_seconds)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _become(self, state: str, why: str | None = None) -> None:
        if (state, why) != (self.state, self.why) or self.retry_at is not None:
            self.state, self.why = state, why
            self._announce()

    def _announce(self) -> None:
        """Nothing that happens to what is published may end the watch."""
        try:
            self._changed()
        except Exception:
            log.exception("the state of %s could not be published", self.program.name)


def _appending(path: Path) -> IO[bytes]:
    """A file to append to; nowhere, where it cannot be opened: better no log than no process."""
    try:
        return path.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without our own settings, which each program gets for itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHALE_")}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


def _ending(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


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
