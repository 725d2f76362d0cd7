"""The open connections of a process: how many there may be, and for how long it waits for each.

A connection is unauthenticated until a request on it shows a valid key or token. Unauthenticated
connections have a share of their own. Once it is full, the oldest idle one is closed for a new one,
so that nobody can keep other callers out by opening connections.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Protocol

from msgspec import Struct

# How often deadlines are checked: one sweep over all connections costs less than a timer for each
# request.
SWEEP_SECONDS: Final = 0.5

_ON_AUTHENTICATED: Final = "on_authenticated"


class Limits(Struct, frozen=True, kw_only=True):
    """What a peer may send and how long it may take. The API's documentation states the first two."""

    header_bytes: int = 32 * 1024
    headers: int = 100
    # From the first byte of a request, or from connecting, to the end of its headers.
    header_seconds: float = 10.0
    # A body may take this long, or longer as long as it arrives at the least rate.
    body_seconds: float = 10.0
    least_bytes_per_second: int = 32 * 1024
    # A peer that does not read its response for this long is disconnected.
    write_seconds: float = 30.0
    # How much of a body is read and dropped after its response: closing earlier would reset the
    # connection before the peer has read the response.
    unread_bytes: int = 4 * 1024 * 1024
    # Requests that a peer may send before the first response.
    pipelined: int = 16
    connections: int = 2_048
    unauthenticated: int = 512


class Connection(Protocol):
    """A connection as the registry uses it."""

    def is_busy(self) -> bool:
        """Whether a request is in progress on it."""

    def abort(self) -> None:
        """Close it immediately."""

    def enforce_deadlines(self, now: float) -> None:
        """Refuse or close it if it has missed a deadline."""


class Connections:
    """The registry of the open connections of one process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        # Both in the order of connecting.
        self._open: dict[Connection, None] = {}
        self._unauthenticated: dict[Connection, None] = {}
        self._is_sweeping = False

    def add(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> bool:
        """Register a new, unauthenticated connection; False if there is no room for it."""
        if len(self._open) >= self.limits.connections or not self._make_room():
            return False
        self._open[connection] = self._unauthenticated[connection] = None
        if not self._is_sweeping:
            self._is_sweeping = True
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        return True

    def mark_authenticated(self, connection: Connection) -> None:
        """A request on the connection had a valid key or token."""
        self._unauthenticated.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        self._open.pop(connection, None)
        self._unauthenticated.pop(connection, None)

    def _make_room(self) -> bool:
        """Whether another unauthenticated connection fits, if need be in place of an idle one."""
        if len(self._unauthenticated) < self.limits.unauthenticated:
            return True
        idle = next((peer for peer in self._unauthenticated if not peer.is_busy()), None)
        if idle is None:
            return False
        self.remove(idle)
        idle.abort()
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._open):
            connection.enforce_deadlines(now)
        self._is_sweeping = bool(self._open)
        if self._is_sweeping:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)


def call_when_authenticated(state: MutableMapping[str, Any], callback: Callable[[], None]) -> None:
    """Have `callback` called once the app has authenticated the request with this state."""
    state[_ON_AUTHENTICATED] = callback


def mark_authenticated(state: MutableMapping[str, Any]) -> None:
    """Report that the request with this state showed a valid key or token."""
    callback: Callable[[], None] | None = state.get(_ON_AUTHENTICATED)
    if callback is not None:
        callback()
