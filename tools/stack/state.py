"""What the supervisor tells of the stack: one small file, and a lock that only a live one holds."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct


class ProcessState(Struct, frozen=True):
    """One line of `make status`."""

    name: str
    state: str
    pid: int | None
    address: str


class State(Struct, frozen=True, kw_only=True):
    """`phase` is starting, ready, stopping or failed; `doing` is what a start is at."""

    phase: str
    pid: int
    gateway: str
    doing: Sequence[str] = ()
    error: str | None = None
    processes: Sequence[ProcessState] = ()


def read(folder: Path) -> State | None:
    """The last state told, or None where there never was one."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write(folder: Path, state: State) -> None:
    """Tell the state; a reader never sees half of it."""
    draft = folder / "state.draft"
    draft.write_bytes(msgspec.json.encode(state))
    draft.replace(folder / "state.json")


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
