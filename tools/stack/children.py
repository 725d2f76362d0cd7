"""The supervisor's children: launched, waited for, stopped in order."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from tools.stack.child import Child, RestartPolicy
from tools.stack.config import SERVICES
from tools.stack.errors import StackError
from tools.stack.health import SERVERS, Probe
from tools.stack.process import ProcessSpec
from tools.stack.state import ProcessState

_READY_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05
# Each group stops after the one before it, so that no process loses a server that it still uses.
_STOP_ORDER: Final = (("gateway",), SERVICES, SERVERS)


class Children:
    """The processes of one run of the stack, by name.

    `on_change` is called whenever the state of one changes.
    """

    def __init__(
        self,
        logs: Path,
        probe: Probe,
        on_change: Callable[[], None],
        *,
        unresponsive_seconds: float,
    ) -> None:
        self._logs = logs
        self._probe = probe
        self._on_change = on_change
        self._unresponsive_seconds = unresponsive_seconds
        self._children: dict[str, Child] = {}
        self._unavailable_servers: set[str] = set()

    def launch(self, spec: ProcessSpec) -> None:
        """Start a process, and keep it running until `stop`."""
        policy = RestartPolicy(
            check_health=partial(self._probe.health, spec.name),
            dependencies_are_ready=_always if spec.name in SERVERS else self._servers_are_ready,
            unresponsive_seconds=self._unresponsive_seconds,
        )
        child = Child(spec, self._logs, self._on_change, policy)
        self._children[spec.name] = child
        child.start()

    async def wait_until_ready(self, name: str) -> None:
        """Wait for a child; raises StackError where its first start fails, or after a timeout."""
        child = self._children[name]
        until = time.monotonic() + _READY_SECONDS
        while child.state != "running":
            if child.failures:
                raise StackError(f"{name} does not start: {child.reason}. {child.log_tail()}")
            if time.monotonic() > until:
                raise StackError(
                    f"{name} is not ready after {_READY_SECONDS:.0f} s: {child.reason}. "
                    "See `make logs`."
                )
            await asyncio.sleep(_POLL_SECONDS)

    def skip_restart_delays(self) -> None:
        """Immediately restart every child that is waiting for its restart delay to end."""
        for child in self._children.values():
            child.skip_restart_delay()

    async def stop(self) -> None:
        """Stop all children: the gateway, then the services, then the servers."""
        for group in _STOP_ORDER:
            await asyncio.gather(
                *(
                    child.stop()
                    for name, child in self._children.items()
                    if name in group and child.state != "stopped"
                )
            )

    async def check_external_servers(self) -> None:
        """Note which servers are unavailable of those that the stack did not start."""
        names = [name for name in SERVERS if name not in self._children]
        healths = await asyncio.gather(*(self._probe.health(name) for name in names))
        self._unavailable_servers = {
            name for name, health in zip(names, healths, strict=True) if not health.responds
        }

    def states(self) -> list[ProcessState]:
        """The state of each child, for publishing."""
        return [
            ProcessState(
                name,
                child.state,
                child.pid,
                child.spec.address,
                child.reason,
                child.retry_at,
                child.spec.stop_signal,
            )
            for name, child in self._children.items()
        ]

    def _servers_are_ready(self) -> bool:
        servers = [child for name, child in self._children.items() if name in SERVERS]
        return not self._unavailable_servers and all(child.state == "running" for child in servers)


def _always() -> bool:
    return True
