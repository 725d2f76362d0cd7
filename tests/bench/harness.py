"""How a ratio is measured: ours and its limit in turns (A B B A …), the median of each."""

import platform
import statistics
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
from msgspec import Struct

Measure = Callable[[], Awaitable[float]]


class Outcome(Struct, frozen=True):
    """One line of the table. The ratio is ours over the limit for rates, as `unit` says."""

    name: str
    ours: float
    limit: float
    unit: str
    goal: str
    met: bool
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.limit

    def line(self) -> str:
        """As it is printed."""
        verdict = "met" if self.met else "MISSED"
        return (
            f"{self.name}: ours {self.ours:,.4g} {self.unit} · limit {self.limit:,.4g} {self.unit} · "
            f"ratio {self.ratio:.2f} · goal {self.goal} · {verdict}"
        )


async def alternate(
    name: str, ours: Measure, limit: Measure, *, rounds: int
) -> tuple[list[float], list[float]]:
    """Measure both in turns, each first as often as last, and print each figure as it comes."""
    figures: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        for which in order:
            figure = await (ours, limit)[which]()
            figures[which].append(figure)
            print(f"  {name} round {number + 1}/{rounds} {('ours', 'limit')[which]}: {figure:,.4g}")
    return figures


def at_least(
    name: str, figures: tuple[list[float], list[float]], *, unit: str, goal: float
) -> Outcome:
    """A rate that must reach `goal` of its limit."""
    ours, limit = (statistics.median(one) for one in figures)
    return Outcome(name, ours, limit, unit, f"≥ {goal:g}", ours / limit >= goal)


def at_most(name: str, *, ours: float, limit: float, unit: str, goal: float) -> Outcome:
    """A latency that must stay within `goal` times its limit."""
    return Outcome(name, ours, limit, unit, f"≤ {goal:g} ×", ours / limit <= goal)


def machine() -> str:
    """What the figures were measured on."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    )


def write_table(path: Path, outcomes: list[Outcome]) -> None:
    """Replace the rows of the measured benchmarks in the page's table; the others stay."""
    start, end = "<!-- table -->\n", "<!-- /table -->\n"
    text = path.read_text()
    head, rest = text.split(start)
    body, tail = rest.split(end)
    rows = {line.split("|")[1].strip(): line for line in body.splitlines()[2:] if line}
    for one in outcomes:
        rows[one.name] = (
            f"| {one.name} | {one.ours:,.4g} {one.unit} | {one.limit:,.4g} {one.unit} | "
            f"{one.ratio:.2f} | {one.goal} | {'met' if one.met else '**missed**'} | {machine()} |"
        )
    heading = "| benchmark | ours | limit | ratio | goal | | measured on |\n|---|---|---|---|---|---|---|\n"
    path.write_text(head + start + heading + "\n".join(rows.values()) + "\n" + end + tail)
