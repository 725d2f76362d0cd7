"""The command `anomaly-quality`: judge the detectors beside their rivals, and keep the tables."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, Final

from msgspec import Struct
from rich.console import Console

from libs.contracts.anomalies import AnomalySettings
from tools.demo import history
from tools.demo.history import HistoryMissing
from tools.progress import progress_bars
from tools.quality import fit, ours, rivals
from tools.quality.judge import Verdict, verdict
from tools.quality.simulator import CUSTOMERS, KINDS, SHOPS, Earning, Shop, simulate
from tools.stack.errors import StackError

# Thresholds and models are made from these, and judged by those; none is in both. Whoever changes the
# simulator, a rival or a detector looks at the first only, and takes new ones to judge by.
TUNING: Final = (1, 2, 3)
JUDGING: Final = (201, 202, 203, 204, 205)

_PAGE: Final = Path(__file__).parents[2] / "docs" / "rules" / "anomaly.md"
_START, _END = "<!-- quality -->\n", "<!-- /quality -->"

Score = Callable[[Sequence[Earning]], list[float]]


class _Chosen(Struct, frozen=True):
    """What was chosen, labels known, on the tuning seeds of all shops together."""

    settings: AnomalySettings
    thresholds: tuple[float, float]


class _Found(Struct, frozen=True):
    """Of one shop and seed: verdicts by name, and how many awards each detector flags, and rightly."""

    verdicts: Mapping[str, Verdict]
    flags: int
    by_detector: Mapping[str, tuple[int, int]]


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "anomaly-quality", help="precision and recall of the detectors, beside rivals"
    )
    command.add_argument("--fit", action="store_true", help="fit honest shopping again, and tell")
    command.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Judge, print the tables and write them into the rules' page; or fit, and print the figures."""
    console = Console(highlight=False, soft_wrap=True)
    if asked.fit:
        return _fit(console)
    tables = _judge_all(console)
    console.print(tables, markup=False)
    _PAGE.write_text(replaced(_PAGE.read_text(), tables))
    return 0


def replaced(page: str, tables: str) -> str:
    """The page with what is between its marks replaced."""
    head, rest = page.split(_START)
    tail = rest.split(_END)[1]
    return f"{head}{_START}{tables}\n{_END}{tail}"


def _fit(console: Console) -> int:
    try:
        found = fit.fit(history.read(history.find_file()))
    except HistoryMissing as error:
        raise StackError(str(error)) from error
    for name, spread in (("dollars", found.dollars), ("days", found.days)):
        console.print(
            f"{name}: mean {spread.mean:.3f}, between {spread.between:.3f}, "
            f"within {spread.within:.3f}, of {found.customers[name]:,} customers"
        )
    console.print(f"on the same day: {found.same_day:.3f}")
    return 0


# -- judging


def _judge_all(console: Console) -> str:
    tuning = {shop.name: [simulate(seed, shop) for seed in TUNING] for shop in SHOPS}
    chosen = _Chosen(
        # Trying settings is slow: one seed of each shop has to do.
        ours.tuned([histories[0] for histories in tuning.values()]),
        rivals.thresholds([one for histories in tuning.values() for one in histories]),
    )
    found: dict[str, list[_Found]] = {}
    with progress_bars(console) as progress:
        bar = progress.add_task("judged", total=len(SHOPS) * len(JUDGING))
        for shop in SHOPS:
            scorers = _scorers(tuning[shop.name], chosen)
            for seed in JUDGING:
                found.setdefault(shop.name, []).append(_judge(simulate(seed, shop), scorers))
                progress.update(bar, advance=1)
    return _told(found, chosen)


def _scorers(tuning: rivals.Histories, chosen: _Chosen) -> dict[str, Score]:
    of_shop, rare = rivals.thresholds(tuning), rivals.rare(tuning)
    return {
        "the detectors as shipped": lambda one: ours.scores(one, AnomalySettings()),
        "the detectors, tuned": lambda one: ours.scores(one, chosen.settings),
        "thresholds, abuse not known": lambda one: rivals.fixed_thresholds(rare, one),
        "thresholds, tuned": lambda one: rivals.fixed_thresholds(chosen.thresholds, one),
        "thresholds, tuned to the shop": lambda one: rivals.fixed_thresholds(of_shop, one),
        "a plain z-score": rivals.z_score,
        "half-space trees (river)": lambda one: rivals.half_space_trees(tuning, one),
        "isolation forest (scikit-learn)": lambda one: rivals.isolation_forest(tuning, one),
    }


def _judge(earnings: Sequence[Earning], scorers: Mapping[str, Score]) -> _Found:
    abuse = {one.id for one in earnings if one.label is not None}
    by_detector = ours.flagged(earnings, AnomalySettings())
    flags = len(set[str]().union(*by_detector.values()))
    try:
        verdicts = {
            name: verdict(earnings, score(earnings), flags=flags) for name, score in scorers.items()
        }
    except ModuleNotFoundError as error:
        raise StackError(f"{error.name} is not installed: run this as `make quality`.") from error
    counts: dict[str, tuple[int, int]] = {
        kind: (len(ids), len(ids & abuse)) for kind, ids in by_detector.items()
    }
    return _Found(verdicts, flags, counts)


# -- telling


def _told(found: Mapping[str, Sequence[_Found]], chosen: _Chosen) -> str:
    points, count = chosen.thresholds
    parts = [_shop(shop, found[shop.name]) for shop in SHOPS]
    parts.append(_detectors(found))
    parts.append(
        f"Judged by seeds {JUDGING[0]}-{JUDGING[-1]}, chosen and learnt by {TUNING[0]}-{TUNING[-1]}; mean "
        f'± deviation over the seeds; {CUSTOMERS} customers a shop. "Tuned" is a `deviation.score` of '
        f"{chosen.settings.deviation.score}; tuned thresholds, {points:,.0f} points an award and "
        f"{count:.0f} awards a day. {datetime.now(UTC):%Y-%m-%d}; `make quality` runs it again."
    )
    return "\n\n".join(parts)


def _shop(shop: Shop, found: Sequence[_Found]) -> str:
    heads = ["", "average precision", *KINDS, "precision", "recall", *(f"{k} found" for k in KINDS)]
    a_day = fmean(one.flags for one in found) / shop.days
    lines = [
        f"**A shop {shop.name}**, {shop.days} days; {a_day:.1f} awards flagged a day:",
        "",
        _row(heads),
        "|" + "---|" * len(heads),
    ]
    for name in found[0].verdicts:
        verdicts = [one.verdicts[name] for one in found]
        columns = [
            [one.average for one in verdicts],
            *([one.average_of[kind] for one in verdicts] for kind in KINDS),
            [one.precision for one in verdicts],
            [one.recall for one in verdicts],
            *([one.recall_of[kind] for one in verdicts] for kind in KINDS),
        ]
        lines.append(_row([name, *(_figure(column) for column in columns)]))
    return "\n".join(lines)


def _detectors(found: Mapping[str, Sequence[_Found]]) -> str:
    heads = ["as shipped, of what it flags", *(f"{name}: abuse" for name in found)]
    lines = [_row(heads), "|" + "---|" * len(heads)]
    for kind in found[SHOPS[0].name][0].by_detector:
        cells = []
        for seeds in found.values():
            flagged, rightly = map(sum, zip(*(one.by_detector[kind] for one in seeds), strict=True))
            cells.append(f"{rightly:,} of {flagged:,}")
        lines.append(_row([f"`{kind}`", *cells]))
    return "\n".join(lines)


def _figure(values: Sequence[float]) -> str:
    return f"{fmean(values):.2f} ± {pstdev(values):.2f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
