"""What a measurement returns, and the median of many."""

import statistics
from collections.abc import Sequence

from msgspec import Struct

from tests.bench.cpu import Cpu


class Figure(Struct, frozen=True):
    """A rate or a time, and the CPU time per unit where it was read."""

    value: float
    cpu: Cpu | None = None

    @property
    def per_item(self) -> "Figure":
        """The CPU time per unit as the value, in microseconds."""
        assert self.cpu is not None
        return Figure(self.cpu.total * 1e6, self.cpu)

    def __str__(self) -> str:
        cpu = "" if self.cpu is None else f" · {self.cpu} µs"
        return f"{self.value:,.4g}{cpu}"


def median(figures: Sequence[Figure]) -> Figure:
    """The median of the values, and of each part of the CPU time."""
    cpus = [one.cpu for one in figures if one.cpu is not None]
    return Figure(
        statistics.median(one.value for one in figures),
        Cpu(
            statistics.median(one.python for one in cpus),
            statistics.median(one.postgres for one in cpus),
            statistics.median(one.broker for one in cpus),
        )
        if cpus
        else None,
    )
