"""One child process of the supervisor: started, watched, restarted, stopped."""

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from libs.observability import logging
from tools.stack.config import ROOT
from tools.stack.errors import explain
from tools.stack.health import Health
from tools.stack.process import ProcessSpec

_PR_SET_PDEATHSIG: Final = 1
# How long a process may take to terminate: when the stack stops, and before a restart.
_STOP_SECONDS: Final = 20.0
_TERMINATE_SECONDS: Final = 5.0
_CANCEL_SECONDS: Final = 1.0
_FIRST_DELAY_SECONDS: Final = 0.2
_MAX_DELAY_SECONDS: Final = 10.0
# The interval between health checks: often during the first seconds after a start, so that `make up`
# does not wait longer than it must; then by whether the process is ready.
_STARTING_SECONDS: Final = 0.1
_QUICK_START_SECONDS: Final = 15.0
_READY_SECONDS: Final = 5.0
_UNREADY_SECONDS: Final = 1.0

log: Final = logging.get(__name__)


class RestartPolicy(Struct, frozen=True, kw_only=True):
    """How the health of a child is checked, and when it is restarted."""

    check_health: Callable[[], Awaitable[Health]]
    # Whether its dependencies are ready: restarting a service that waits for Kafka does not help.
    dependencies_are_ready: Callable[[], bool]
    start_seconds: float = 120.0
    # A process that does not respond for this long is frozen or stuck.
    unresponsive_seconds: float
    # The limit for a process that responds, but is not ready although its dependencies are: longer
    # than a consumer takes between its own retries. Doubled with each restart that did not help,
    # since a restart interrupts what still works.
    unready_seconds: float = 120.0
    max_unready_seconds: float = 600.0


class Child:
    """Keeps one process running and ready until `stop`.

    `state` is starting, running, not ready, restarting or stopped; `reason` says why it is not
    running. `failures` counts consecutive starts that did not become ready: only they delay the next
    start.
    """

    def __init__(
        self, spec: ProcessSpec, logs: Path, on_change: Callable[[], None], policy: RestartPolicy
    ) -> None:
        self.spec = spec
        self.state = "starting"
        self.reason: str | None = None
        self.retry_at: float | None = None
        self.failures = 0
        self.process: asyncio.subprocess.Process | None = None
        self._log = logs / f"{spec.name}.log"
        self._on_change = on_change
        self._policy = policy
        self._unready_limit = policy.unready_seconds
        self._watcher: asyncio.Task[None] | None = None
        self._skip_delay = asyncio.Event()
        self._was_ready = False
        self._started_at = self._responded_at = self._ready_since = 0.0
        # The time from which the limit for being unready counts.
        self._unready_since = 0.0

    @property
    def pid(self) -> int | None:
        """The id of the running process, or None."""
        is_running = self.process is not None and self.process.returncode is None
        return self.process.pid if is_running and self.process is not None else None

    def start(self) -> None:
        """Start the process and watch it."""
        self._watcher = asyncio.create_task(self._keep_running(), name=self.spec.name)

    def skip_restart_delay(self) -> None:
        """Skip the rest of the delay before the next start."""
        self._skip_delay.set()

    async def stop(self) -> None:
        """Terminate the process gracefully, or kill it after a timeout."""
        while self._watcher is not None and not self._watcher.done():
            # Repeated: a client's timeout in a health check may swallow a cancellation.
            self._watcher.cancel()
            await asyncio.wait({self._watcher}, timeout=_CANCEL_SECONDS)
        await self._terminate(within_seconds=_STOP_SECONDS)
        self._set_state("stopped")

    def log_tail(self) -> str:
        """The end of its log."""
        try:
            lines = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return " · ".join(lines[-3:])[-600:]

    async def _keep_running(self) -> None:
        """Run the process until cancelled: any error, a full disk included, counts as a failed start."""
        while True:
            try:
                process = await self._spawn()
                reason = await self._watch_until_unhealthy(process)
                self._set_state("restarting", reason)
                await self._terminate(within_seconds=_TERMINATE_SECONDS)
            except Exception as error:
                log.exception("watch_failed", process=self.spec.name)
                reason = explain(error)
            await self._wait_before_start(reason)

    async def _wait_before_start(self, reason: str) -> None:
        delay = min(_FIRST_DELAY_SECONDS * 2**self.failures, _MAX_DELAY_SECONDS)
        self.failures = min(self.failures + 1, 10)
        self.retry_at = time.time() + delay
        self._skip_delay.clear()
        self._set_state("restarting", reason)
        log.warning(
            "process_restarting", process=self.spec.name, reason=reason, delay_seconds=delay
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._skip_delay.wait()
        self.retry_at = None

    async def _watch_until_unhealthy(self, process: asyncio.subprocess.Process) -> str:
        """Watch a process; returns why it must be restarted."""
        exited = asyncio.ensure_future(process.wait())
        try:
            while True:
                await asyncio.wait({exited}, timeout=self._check_interval())
                if exited.done():
                    return _describe_exit(exited.result())
                reason = await self._check_health()
                if reason is not None:
                    return reason
        finally:
            exited.cancel()

    def _check_interval(self) -> float:
        if self.state == "running":
            return min(_READY_SECONDS, self._policy.unresponsive_seconds / 3)
        quick = time.monotonic() - self._started_at < _QUICK_START_SECONDS
        return _STARTING_SECONDS if self.state == "starting" and quick else _UNREADY_SECONDS

    async def _check_health(self) -> str | None:
        """Returns why the process must be restarted now, or None."""
        health = await self._policy.check_health()
        now = time.monotonic()
        if health.responds:
            self._responded_at = now
        if health.reason is None:
            self._record_ready(now)
            return None
        self._set_state("not ready" if self._was_ready else "starting", health.reason)
        if self._was_ready and not health.responds:
            is_frozen = now - self._responded_at > self._policy.unresponsive_seconds
            return health.reason if is_frozen else None
        if not self._policy.dependencies_are_ready():
            self._unready_since = now
        limit = self._unready_limit if self._was_ready else self._policy.start_seconds
        if now - self._unready_since <= limit:
            return None
        if self._was_ready:
            self._unready_limit = min(limit * 2, self._policy.max_unready_seconds)
        return f"not ready for {limit:.0f} s: {health.reason}"

    def _record_ready(self, now: float) -> None:
        if self.state != "running":
            self._ready_since = now
        elif now - self._ready_since > self._unready_limit:
            self._unready_limit = self._policy.unready_seconds
        self.failures = 0
        self._was_ready = True
        self._unready_since = now
        self._set_state("running")

    async def _spawn(self) -> asyncio.subprocess.Process:
        user = self.spec.user
        with _open_log(self._log) as output:
            self.process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                cwd="/" if user else ROOT,
                env=_environment(self.spec.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=user,
                group=None if user is None else _group_id(user),
                extra_groups=None if user is None else [],
                preexec_fn=_stop_with_parent(self.spec.stop_signal),
            )
        self._was_ready = False
        self._started_at = self._responded_at = self._unready_since = time.monotonic()
        self.state, self.reason = "starting", None
        self._report_change()
        return self.process

    async def _terminate(self, *, within_seconds: float) -> None:
        """Terminate the process gracefully if it still runs, or kill it after a timeout."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.spec.stop_signal)
            # A process that SIGSTOP has frozen handles no signal until it continues.
            process.send_signal(signal.SIGCONT)
        try:
            await asyncio.wait_for(process.wait(), within_seconds)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _set_state(self, state: str, reason: str | None = None) -> None:
        if (state, reason) != (self.state, self.reason) or self.retry_at is not None:
            self.state, self.reason = state, reason
            self._report_change()

    def _report_change(self) -> None:
        """An error in publishing the state must not end the watch."""
        try:
            self._on_change()
        except Exception:
            log.exception("state_not_published", process=self.spec.name)


def _open_log(path: Path) -> IO[bytes]:
    """The log, for appending; /dev/null where it cannot be opened, so that the process still runs."""
    try:
        return path.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment with `extra` in place of the WHALE_ settings of the stack itself."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WHALE_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **extra}


def _describe_exit(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _group_id(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _stop_with_parent(stop_signal: int) -> Callable[[], None] | None:
    """On Linux, have the kernel signal the child when the supervisor dies, even by SIGKILL."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None

    def request_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, stop_signal)

    return request_signal
