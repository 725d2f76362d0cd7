"""The command `anomaly-quality`: judge the detectors beside their rivals, and keep the table."""

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, Final

from rich.console import Console

from tools.progress import bars
from tools.quality import ours, rivals
from tools.quality.judge import Verdict, verdict
from tools.quality.simulator import CUSTOMERS, DAYS, KINDS, Earning, simulate
from tools.stack.errors import StackError

# Thresholds and models are made from these, and judged by those; none is in both.
TUNING: Final = (1, 2, 3)
JUDGING: Final = (101, 102, 103, 104, 105)

_PAGE: Final = Path(__file__).parents[2] / "docs" / "rules" / "anomaly.md"
_START, _END = "<!-- quality -->\n", "<!-- /quality -->"

Score = Callable[[Sequence[Sequence[Earning]], Sequence[Earning]], list[float]]


def _ours(_tuning: Sequence[Sequence[Earning]], earnings: Sequence[Earning]) -> list[float]:
    found = ours.scores(earnings)
    return [found[one.id] for one in earnings]


_JUDGED: Final[dict[str, Score]] = {
    "the shipped detectors": _ours,
    "fixed thresholds alone": rivals.fixed_thresholds,
    "a plain z-score": rivals.z_score,
    "half-space trees (river)": rivals.half_space_trees,
    "isolation forest (scikit-learn)": rivals.isolation_forest,
}


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "anomaly-quality", help="precision and recall of the detectors, beside rivals"
    )
    command.set_defaults(run=run)


def run(_asked: argparse.Namespace) -> int:
    """Judge, print the table and write it into the rules' page."""
    console = Console(highlight=False)
    tuning = [simulate(seed) for seed in TUNING]
    found: dict[str, list[Verdict]] = {name: [] for name in _JUDGED}
    flags: list[int] = []
    with bars(console) as progress:
        bar = progress.add_task("judged", total=len(JUDGING) * len(_JUDGED))
        for seed in JUDGING:
            earnings = simulate(seed)
            by_us = ours.scores(earnings)
            flags.append(sum(score >= 1 for score in by_us.values()))
            for name, score in _JUDGED.items():
                scores = _scores(score, tuning, earnings)
                found[name].append(verdict(earnings, scores, flags=flags[-1]))
                progress.update(bar, advance=1)
    table = _table(found, flags)
    console.print(table, markup=False)
    _write(table)
    return 0


def _scores(
    score: Score, tuning: Sequence[Sequence[Earning]], earnings: Sequence[Earning]
) -> list[float]:
    try:
        return score(tuning, earnings)
    except ModuleNotFoundError as error:
        raise StackError(f"{error.name} is not installed: run this as `make quality`.") from error


def _table(found: dict[str, list[Verdict]], flags: Sequence[int]) -> str:
    heads = ["", "average precision", *KINDS, "precision", "recall", *(f"{k} found" for k in KINDS)]
    lines = [_row(heads), "|" + "---|" * len(heads)]
    for name, verdicts in found.items():
        columns = [
            [one.average for one in verdicts],
            *([one.average_of[kind] for one in verdicts] for kind in KINDS),
            [one.precision for one in verdicts],
            [one.recall for one in verdicts],
            *([one.recall_of[kind] for one in verdicts] for kind in KINDS),
        ]
        lines.append(_row([name, *(_figure(column) for column in columns)]))
    a_day = fmean(flags) / DAYS
    lines += [
        "",
        (
            f"Seeds {JUDGING[0]}-{JUDGING[-1]}, each {CUSTOMERS} customers over {DAYS} days; mean ± "
            f"deviation over the seeds. Precision and recall are of the same number of flags for all: "
            f"{a_day:.1f} earnings a day, as many as the shipped detectors flag. "
            f"{datetime.now(UTC):%Y-%m-%d}, `make quality`."
        ),
    ]
    return "\n".join(lines)


def _figure(values: Sequence[float]) -> str:
    return f"{fmean(values):.2f} ± {pstdev(values):.2f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _write(table: str) -> None:
    """Replace the table between its marks; the rest of the page stays."""
    text = _PAGE.read_text()
    head, rest = text.split(_START)
    tail = rest.split(_END)[1]
    _PAGE.write_text(f"{head}{_START}{table}\n{_END}{tail}")
