"""CPU time by part: our Python processes, PostgreSQL, the broker."""

import psutil
from msgspec import Struct, structs

from tests.support import Stack

_ATTEMPTS = 20


class Cpu(Struct, frozen=True):
    """Seconds of CPU time, in total or per unit."""

    python: float
    postgres: float
    broker: float

    def __sub__(self, earlier: "Cpu") -> "Cpu":
        return Cpu(
            *(a - b for a, b in zip(structs.astuple(self), structs.astuple(earlier), strict=True))
        )

    def per(self, units: float) -> "Cpu":
        """The time per unit."""
        return Cpu(*(part / units for part in structs.astuple(self)))

    @property
    def total(self) -> float:
        return self.python + self.postgres + self.broker

    def __str__(self) -> str:
        """Microseconds: Python + PostgreSQL + broker."""
        return " + ".join(_microseconds(part) for part in structs.astuple(self))


def _microseconds(seconds: float) -> str:
    microseconds = max(seconds, 0) * 1e6
    return f"{microseconds:,.1f}" if microseconds < 100 else f"{microseconds:,.0f}"


class Meter:
    """Reads the CPU time of processes, which must still run, and of the stack's servers."""

    def __init__(self, stack: Stack, pids: list[int]) -> None:
        self._pids = pids
        self._postgres = _pid_of(stack, "postgres")
        self._broker = _pid_of(stack, "kafka")

    def read(self) -> Cpu:
        """The CPU time until now, by part."""
        python = sum(used(pid) for pid in self._pids)
        return Cpu(python, used(self._postgres), used(self._broker))


def _pid_of(stack: Stack, server: str) -> int:
    pid = stack.process(server).pid
    assert pid is not None
    return pid


def used(pid: int) -> float:
    """Seconds of CPU time of a process, of those below it, and of those below it that have ended.

    PostgreSQL's backends may end before their time is read. The time of a process that ended moves to
    its parent once the parent has waited for it, so the sum is read again where a process came or
    ended meanwhile.
    """
    root = psutil.Process(pid)
    for _ in range(_ATTEMPTS):
        before = root.children(recursive=True)
        try:
            seconds = sum(sum(one.cpu_times()[:4]) for one in (root, *before))
        except psutil.NoSuchProcess:
            continue
        if root.children(recursive=True) == before:
            return seconds
    return seconds
