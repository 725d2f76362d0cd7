"""The supervisor: starts the stack, keeps it running, stops it. Runs in the background.

`python -m tools.stack.supervisor` takes its settings from the environment. It writes its progress to
the state file, which `make up` and `make status` read. On SIGUSR1 it skips the delays before restarts.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from logging import CRITICAL, getLogger
from typing import Final

from libs.background.lifecycle import running
from libs.background.periodic import Periodic
from libs.observability import logging
from tools.stack import config, services, state
from tools.stack.children import Children
from tools.stack.config import LOOPBACK, Settings
from tools.stack.errors import explain
from tools.stack.health import Probe
from tools.stack.maintenance import create_missing_topics, truncate_logs
from tools.stack.startup import Startup
from tools.stack.state import State

_HOUSEKEEPING_SECONDS: Final = 1.0
_EXTERNAL_SERVERS_SECONDS: Final = 5.0
# A deleted topic is recreated within this time.
_TOPICS_SECONDS: Final = 5.0


class Supervisor:
    """One run of the stack."""

    def __init__(self, settings: Settings) -> None:
        secrets = config.stack_secrets(settings.folder)
        addresses = services.addresses(settings, secrets)
        self._settings = settings
        self._logs = settings.folder / "logs"
        self._probe = Probe(addresses, secrets.internal_token)
        self._children = Children(
            self._logs,
            self._probe,
            self._publish,
            unresponsive_seconds=settings.restart_after_seconds,
        )
        self._startup = Startup(
            settings,
            secrets,
            addresses,
            probe=self._probe,
            children=self._children,
            step=self._step,
        )
        self._is_published = False
        self._steps: list[str] = []
        self._phase = "starting"
        self._error: str | None = None

    async def run(self, stop: asyncio.Event) -> int:
        """Start the stack and keep it running until `stop`; returns the exit code."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._publish()
        housekeeping = _periodic("housekeeping", self._housekeep, _HOUSEKEEPING_SECONDS)
        async with self._probe, running([housekeeping]):
            failure = await self._start_until(stop)
            if failure is None and not stop.is_set():
                self._set_phase("ready")
                async with running(self._maintenance()):
                    await stop.wait()
            self._error = None if failure is None else explain(failure)
            self._set_phase("stopping")
            await self._children.stop()
        self._set_phase("stopped" if failure is None else "failed")
        return 0 if failure is None else 1

    def skip_restart_delays(self) -> None:
        """Immediately restart every process that is waiting for its restart delay to end."""
        self._children.skip_restart_delays()

    async def _start_until(self, stop: asyncio.Event) -> BaseException | None:
        """Start the stack, or give up halfway once `stop` is set; returns the error, if any."""
        startup_task = asyncio.create_task(self._startup.run())
        stop_task = asyncio.create_task(stop.wait())
        await asyncio.wait({startup_task, stop_task}, return_when=asyncio.FIRST_COMPLETED)
        startup_task.cancel()
        stop_task.cancel()
        return await _failure_of(startup_task)

    def _maintenance(self) -> list[Periodic]:
        return [
            _periodic(
                "create_missing_topics",
                partial(create_missing_topics, self._probe),
                _TOPICS_SECONDS,
            ),
            _periodic(
                "check_external_servers",
                self._children.check_external_servers,
                _EXTERNAL_SERVERS_SECONDS,
            ),
        ]

    async def _housekeep(self) -> None:
        if not self._is_published:
            self._publish()
        truncate_logs(self._logs)

    # -- publishing

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self._steps.append(name)
        self._publish()
        try:
            yield
        finally:
            self._steps.remove(name)
            self._publish()

    def _set_phase(self, phase: str) -> None:
        self._phase = phase
        self._publish()

    def _publish(self) -> None:
        """Write the state. If that fails, for example because the disk is full, it is retried every
        second: a failure must not end the supervisor or the monitoring of a process."""
        try:
            state.write(self._settings.folder, self._state())
        except OSError:
            self._is_published = False
        else:
            self._is_published = True

    def _state(self) -> State:
        return State(
            phase=self._phase,
            pid=os.getpid(),
            gateway=f"http://{LOOPBACK}:{self._settings.gateway_port}",
            settings=self._settings,
            steps=self._steps,
            error=self._error,
            processes=self._children.states(),
        )


def _periodic(name: str, work: Callable[[], Awaitable[None]], every_seconds: float) -> Periodic:
    return Periodic(name, work, every_seconds=every_seconds, is_transient=lambda _: False)


async def _failure_of(task: "asyncio.Task[None]") -> BaseException | None:
    """The error with which the task failed, or the first of several. None if the task succeeded or was
    cancelled."""
    try:
        await task
    except asyncio.CancelledError:
        return None
    except BaseExceptionGroup as group:
        failure: BaseException = group
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        return failure
    except Exception as error:  # noqa: BLE001  any error is reported, and stops the stack
        return error
    return None


async def _run(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    supervisor = Supervisor(settings)
    loop.add_signal_handler(signal.SIGUSR1, supervisor.skip_restart_delays)
    return await supervisor.run(stop)


def main() -> int:
    """Run the supervisor of the stack that the environment describes; returns the exit code."""
    settings = config.settings()
    lock = state.acquire_lock(settings.folder)
    if lock is None:
        return 0
    logging.configure(service="supervisor", level="warning")
    # aiokafka logs each attempt to connect to a broker that is still starting; health checks report it.
    getLogger("aiokafka").setLevel(CRITICAL)
    try:
        return asyncio.run(_run(settings))
    except Exception as error:  # noqa: BLE001  `make up` waits for the start and prints any error
        with contextlib.suppress(OSError):
            state.write(
                settings.folder,
                State(phase="failed", pid=os.getpid(), gateway="", error=explain(error)),
            )
        return 1
    finally:
        lock.close()


if __name__ == "__main__":
    sys.exit(main())
