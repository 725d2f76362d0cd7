"""The specification of a process that the supervisor runs."""

import signal
from collections.abc import Mapping, Sequence

from msgspec import Struct


class ProcessSpec(Struct, frozen=True, kw_only=True):
    """How to run a process. `user` is set where it must not run as root."""

    name: str
    argv: Sequence[str]
    address: str
    environment: Mapping[str, str] = {}
    stop_signal: int = signal.SIGTERM
    user: str | None = None
