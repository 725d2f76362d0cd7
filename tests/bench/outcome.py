"""One line of the table: ours, the limit of the same run, and what that means."""

from collections.abc import Sequence

from msgspec import Struct

from tests.bench.cpu import Cpu
from tests.bench.figures import Figure, median
from tests.bench.goals import GOALS, Goal


class Outcome(Struct, frozen=True):
    """A ratio, judged by the goal of its name."""

    name: str
    ours: Figure
    limit: Figure
    unit: str
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours.value / self.limit.value

    @property
    def goal(self) -> Goal:
        return GOALS[self.name]

    @property
    def is_met(self) -> bool:
        return self.goal.is_met(self.ratio)

    @property
    def is_regression(self) -> bool:
        return self.goal.is_regression(self.ratio)

    @property
    def verdict(self) -> str:
        if self.is_regression:
            return "**regression**"
        if self.goal.goal is None:
            return ""
        return "met" if self.is_met else "**missed**"

    def line(self) -> str:
        """As it is printed."""
        goal = self.goal
        sides = (("ours", self.ours), ("limit", self.limit))
        values = [f"{side} {one.value:,.4g} {self.unit}{_cpu(one.cpu)}" for side, one in sides]
        parts = [
            *values,
            f"ratio {self.ratio:.2f}",
            f"goal {goal.text(goal.goal)}",
            f"floor {goal.text(goal.floor)}",
            self.verdict.strip("*").upper() if "*" in self.verdict else self.verdict,
            self.note,
        ]
        return f"{self.name}: {' · '.join(part for part in parts if part)}"


def _cpu(cpu: Cpu | None) -> str:
    return "" if cpu is None else f" ({cpu} µs)"


def outcome(
    name: str,
    ours: Sequence[Figure] | float,
    limit: Sequence[Figure] | float,
    *,
    unit: str,
    note: str = "",
) -> Outcome:
    """The medians of ours and of the limit; a plain number stands for itself."""
    return Outcome(name, _figure(ours), _figure(limit), unit, note)


def _figure(figures: Sequence[Figure] | float) -> Figure:
    return Figure(figures) if isinstance(figures, float | int) else median(figures)
