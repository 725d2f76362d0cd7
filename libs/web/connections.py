"""Which connections a process keeps open, and for how long it waits for what they send.

A peer is a stranger until one of its requests shows a valid key or token. Strangers have a share of
their own: where it is full, the one that has been silent longest makes room for the next, so that
nobody can keep others out by opening connections.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Protocol

from msgspec import Struct

# How often deadlines are looked at: one pass over all connections costs less than a timer for each
# request.
SWEEP_SECONDS: Final = 0.5

_PEER_IS_KNOWN: Final = "peer_is_known"


class Limits(Struct, frozen=True, kw_only=True):
    """What a peer may send and how long it may take. The API's documentation states the first two."""

    header_bytes: int = 32 * 1024
    headers: int = 100
    # From the first byte of a request, or from the connection, to the end of its headers.
    header_seconds: float = 10.0
    # A body may take this long, and longer only as far as it comes at the least rate.
    body_seconds: float = 10.0
    least_bytes_per_second: int = 32 * 1024
    # A peer that does not read its response for this long is cut off.
    write_seconds: float = 30.0
    # What is read and dropped of a body after its response, so that the peer gets to see that.
    unread_bytes: int = 4 * 1024 * 1024
    # Requests that a peer may send before the first is answered.
    pipelined: int = 16
    connections: int = 2_048
    strangers: int = 512


class Connection(Protocol):
    """A connection as the register sees it."""

    def is_busy(self) -> bool:
        """Whether a request of it is being answered."""

    def give_up(self) -> None:
        """Close it."""

    def check(self, now: float) -> None:
        """Do what its deadlines ask for."""


class Connections:
    """The open connections of one process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        # Both in the order in which they came.
        self._open: dict[Connection, None] = {}
        self._strangers: dict[Connection, None] = {}
        self._sweeping = False

    def admit(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> bool:
        """Count a new connection in, as a stranger's; False where there is no room for it."""
        if len(self._open) >= self.limits.connections or not self._has_room_for_stranger():
            return False
        self._open[connection] = self._strangers[connection] = None
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        return True

    def trust(self, connection: Connection) -> None:
        """One of its requests had a valid key."""
        self._strangers.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        self._open.pop(connection, None)
        self._strangers.pop(connection, None)

    def _has_room_for_stranger(self) -> bool:
        if len(self._strangers) < self.limits.strangers:
            return True
        silent = next((one for one in self._strangers if not one.is_busy()), None)
        if silent is None:
            return False
        self.leave(silent)
        silent.give_up()
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._open):
            connection.check(now)
        self._sweeping = bool(self._open)
        if self._sweeping:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)


def offer_trust(state: MutableMapping[str, Any], trust: Callable[[], None]) -> None:
    """Let the app of a request say that its peer is known."""
    state[_PEER_IS_KNOWN] = trust


def peer_is_known(state: MutableMapping[str, Any]) -> None:
    """The request with this state showed a valid key or token."""
    trust: Callable[[], None] | None = state.get(_PEER_IS_KNOWN)
    if trust is not None:
        trust()
