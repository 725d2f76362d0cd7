"""What the supervisor publishes of the stack: one small file, and a lock that only a live one holds."""

import fcntl
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from tools.stack.config import Settings, write_private


class ProcessState(Struct, frozen=True):
    """A process as the supervisor sees it: `state` is starting, running, not ready, restarting or
    stopped; `why` is what is wrong; a restart comes at `retry_at`, in seconds since 1970."""

    name: str
    state: str
    pid: int | None
    address: str
    why: str | None = None
    retry_at: float | None = None
    stop_signal: int = signal.SIGTERM


class State(Struct, frozen=True, kw_only=True):
    """`phase` is starting, ready, stopping, stopped or failed; `doing` is what a start is at;
    `settings` are those that the stack was started with, whatever the caller's are now."""

    phase: str
    pid: int
    gateway: str
    settings: Settings = Settings()
    doing: Sequence[str] = ()
    error: str | None = None
    processes: Sequence[ProcessState] = ()


def read(folder: Path) -> State | None:
    """The last state written, or None where there is none."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write(folder: Path, state: State) -> None:
    """Write the state for its owner alone, since addresses can have passwords; a reader never sees
    half of it. Raises OSError."""
    write_private(folder / "state.json", msgspec.json.encode(state))


def lock(folder: Path) -> IO[Any] | None:
    """The stack's lock, or None where a supervisor holds it. The system frees it with the process,
    however that ends, so a stale pid can never be taken for a live stack."""
    file = (folder / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    os.set_inheritable(file.fileno(), False)
    return file


def is_running(folder: Path) -> bool:
    """Whether a supervisor lives."""
    if not (folder / "lock").exists():
        return False
    held = lock(folder)
    if held is None:
        return True
    held.close()
    return False
