"""The stack's state as its supervisor publishes it: a small file, and a lock that it holds."""

import fcntl
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from tools.stack.config import Settings, write_private
from tools.stack.errors import StackError


class ProcessState(Struct, frozen=True):
    """A process as the supervisor sees it: `state` is starting, running, not ready, restarting or
    stopped; `reason` says why it is not running; it restarts at `retry_at`, in seconds since 1970."""

    name: str
    state: str
    pid: int | None
    address: str
    reason: str | None = None
    retry_at: float | None = None
    stop_signal: int = signal.SIGTERM


class State(Struct, frozen=True, kw_only=True):
    """`phase` is starting, ready, stopping, stopped or failed; `steps` are the steps of the start in
    progress; `settings` are those that the stack was started with, not the caller's present ones."""

    phase: str
    pid: int
    gateway: str
    settings: Settings = Settings()
    steps: Sequence[str] = ()
    error: str | None = None
    processes: Sequence[ProcessState] = ()


def read(folder: Path) -> State | None:
    """The last state written, or None."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write(folder: Path, state: State) -> None:
    """Write the state atomically, readable by its owner only, since addresses can contain passwords.
    Raises OSError."""
    write_private(folder / "state.json", msgspec.json.encode(state))


def acquire_lock(folder: Path) -> IO[Any] | None:
    """The stack's lock, or None where a supervisor holds it. The operating system releases it when
    the process ends for any reason, so a stale pid is never taken for a running stack."""
    file = (folder / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    os.set_inheritable(file.fileno(), False)
    return file


def is_running(folder: Path) -> bool:
    """Whether a supervisor runs."""
    if not (folder / "lock").exists():
        return False
    lock = acquire_lock(folder)
    if lock is None:
        return True
    lock.close()
    return False


def check_running(folder: Path) -> None:
    """Raise StackError where no supervisor runs."""
    if not is_running(folder):
        raise StackError("The stack is not up. Start it with `make up`.")
