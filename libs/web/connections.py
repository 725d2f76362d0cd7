"""The connections that a process keeps open, and the deadlines for what they send.

A connection is unauthenticated until one of its requests shows a valid key or token. Unauthenticated
connections have a limit of their own. When it is reached, the one that has been silent longest is closed
for the next, so that nobody can keep others out by opening connections.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Protocol

from msgspec import Struct

# How often deadlines are checked: one pass over all connections costs less than a timer per request.
SWEEP_SECONDS: Final = 0.5

_MARK_AUTHENTICATED: Final = "mark_authenticated"


class Limits(Struct, frozen=True, kw_only=True):
    """What a peer may send and how long it may take. The API's documentation states the first two."""

    header_bytes: int = 32 * 1024
    headers: int = 100
    # From the first byte of a request, or from the connection, to the end of its headers.
    header_seconds: float = 10.0
    # A body may take this long, and longer as long as it arrives at the minimum rate.
    body_seconds: float = 10.0
    min_bytes_per_second: int = 32 * 1024
    # A peer that does not read its response for this long is disconnected.
    write_seconds: float = 30.0
    # How much of a body is read and dropped after its response, so that the peer receives the response.
    unread_bytes: int = 4 * 1024 * 1024
    # Requests that a peer may send before the first has its response.
    pipelined: int = 16
    connections: int = 2_048
    unauthenticated: int = 512


class Connection(Protocol):
    """A connection, as the register uses it."""

    def is_busy(self) -> bool:
        """Whether one of its requests has no complete response yet."""

    def abort(self) -> None:
        """Close it immediately."""

    def check(self, now: float) -> None:
        """Enforce its deadlines."""


class Connections:
    """The open connections of one process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        # Both in the order in which they were opened.
        self._open: dict[Connection, None] = {}
        self._unauthenticated: dict[Connection, None] = {}
        self._sweeping = False

    def admit(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> bool:
        """Register a new connection as unauthenticated; returns False where there is no room for it."""
        if len(self._open) >= self.limits.connections or not self._make_room():
            return False
        self._open[connection] = self._unauthenticated[connection] = None
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        return True

    def mark_authenticated(self, connection: Connection) -> None:
        """Record that one of its requests showed a valid key or token."""
        self._unauthenticated.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        self._open.pop(connection, None)
        self._unauthenticated.pop(connection, None)

    def _make_room(self) -> bool:
        """Make room for one more unauthenticated connection, if possible."""
        if len(self._unauthenticated) < self.limits.unauthenticated:
            return True
        silent = next((one for one in self._unauthenticated if not one.is_busy()), None)
        if silent is None:
            return False
        self.remove(silent)
        silent.abort()
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._open):
            connection.check(now)
        self._sweeping = bool(self._open)
        if self._sweeping:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)


def offer_mark(state: MutableMapping[str, Any], mark: Callable[[], None]) -> None:
    """Let the app that receives a request call `mark_authenticated` with the request's state."""
    state[_MARK_AUTHENTICATED] = mark


def mark_authenticated(state: MutableMapping[str, Any]) -> None:
    """Record that the request with this state showed a valid key or token."""
    mark: Callable[[], None] | None = state.get(_MARK_AUTHENTICATED)
    if mark is not None:
        mark()
