"""The table in docs/benchmarks.md."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from tests.bench.figures import Figure
from tests.bench.outcome import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
_START, _END = "<!-- table -->\n", "<!-- /table -->\n"
_HEADING = (
    "| benchmark | ours | limit | ratio | goal | floor | | CPU µs, ours | CPU µs, limit | measured on |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def machine() -> str:
    """What the figures were measured on."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    )


def write_table(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Replace the rows of the measured benchmarks in the page's table; the others stay."""
    text = path.read_text()
    head, rest = text.split(_START)
    body, tail = rest.split(_END)
    rows = {line.split("|")[1].strip(): line for line in body.splitlines()[2:] if line}
    rows |= {one.name: _row(one) for one in outcomes}
    path.write_text(head + _START + _HEADING + "\n".join(rows.values()) + "\n" + _END + tail)


def _row(one: Outcome) -> str:
    goal = one.goal
    cells = [
        one.name,
        *(f"{side.value:,.4g} {one.unit}" for side in (one.ours, one.limit)),
        f"{one.ratio:.2f}",
        goal.text(goal.goal),
        goal.text(goal.floor),
        "; ".join(part for part in (one.verdict, one.note) if part) or "–",
        *(_cpu(side) for side in (one.ours, one.limit)),
        machine(),
    ]
    return f"| {' | '.join(cells)} |"


def _cpu(side: Figure) -> str:
    return "–" if side.cpu is None else str(side.cpu)
