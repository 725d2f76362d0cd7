"""The command `anomaly-quality`: evaluate the detectors and baseline detectors, and write the tables."""

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
from tools.quality import baseline_detectors, fit, replay
from tools.quality.evaluation import Evaluation, evaluate
from tools.quality.simulator import CUSTOMERS, KINDS, SHOPS, Earning, Shop, simulate
from tools.stack.errors import StackError

# Limits are chosen and models are trained on the tuning seeds, and evaluated on the others. After a
# change of the simulator or of a detector, look at the tuning seeds only, and evaluate on new seeds.
TUNING_SEEDS: Final = (1, 2, 3)
EVALUATION_SEEDS: Final = (201, 202, 203, 204, 205)

_PAGE: Final = Path(__file__).parents[2] / "docs" / "rules" / "anomaly.md"
_START, _END = "<!-- quality -->\n", "<!-- /quality -->"

# Scores a history: a number for each earning, the higher the more suspicious.
Scorer = Callable[[Sequence[Earning]], list[float]]


class _Tuning(Struct, frozen=True):
    """Settings and limits chosen with the labels of the tuning seeds, all shops together."""

    settings: AnomalySettings
    limits: tuple[float, float]


class _Run(Struct, frozen=True):
    """The results for one shop and seed: evaluations by scorer, the number of awards flagged, and for
    each detector the numbers of awards flagged and flagged correctly."""

    evaluations: Mapping[str, Evaluation]
    flags: int
    by_detector: Mapping[str, tuple[int, int]]


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "anomaly-quality",
        help="precision and recall of the detectors, compared with baseline detectors",
    )
    command.add_argument(
        "--fit", action="store_true", help="fit the simulated shopping, and print the figures"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the tables and write them into the rules' page; or fit, and print the figures."""
    console = Console(highlight=False, soft_wrap=True)
    if arguments.fit:
        return _fit(console)
    tables = _evaluate_all(console)
    console.print(tables, markup=False)
    _PAGE.write_text(replace_tables(_PAGE.read_text(), tables))
    return 0


def replace_tables(page: str, tables: str) -> str:
    """The page with new tables between its markers."""
    head, rest = page.split(_START)
    tail = rest.split(_END)[1]
    return f"{head}{_START}{tables}\n{_END}{tail}"


def _fit(console: Console) -> int:
    try:
        shopping = fit.fit(history.read(history.find_file()))
    except HistoryMissing as error:
        raise StackError(str(error)) from error
    for name, spread in (("dollars", shopping.dollars), ("days", shopping.days)):
        console.print(
            f"{name}: mean {spread.mean:.3f}, between {spread.between:.3f}, "
            f"within {spread.within:.3f}, of {shopping.customers[name]:,} customers"
        )
    console.print(f"on the same day: {shopping.same_day:.3f}")
    return 0


# -- evaluation


def _evaluate_all(console: Console) -> str:
    histories = {shop.name: [simulate(seed, shop) for seed in TUNING_SEEDS] for shop in SHOPS}
    tuning = _Tuning(
        # Each candidate takes long: one seed of each shop must suffice.
        replay.tune_settings([of_shop[0] for of_shop in histories.values()]),
        baseline_detectors.tune_limits(
            [earnings for of_shop in histories.values() for earnings in of_shop]
        ),
    )
    runs: dict[str, list[_Run]] = {}
    with progress_bars(console) as progress:
        bar = progress.add_task("evaluated", total=len(SHOPS) * len(EVALUATION_SEEDS))
        for shop in SHOPS:
            scorers = _scorers(histories[shop.name], tuning)
            for seed in EVALUATION_SEEDS:
                runs.setdefault(shop.name, []).append(_evaluate(simulate(seed, shop), scorers))
                progress.update(bar, advance=1)
    return _format(runs, tuning)


def _scorers(histories: baseline_detectors.Histories, tuning: _Tuning) -> dict[str, Scorer]:
    by_shop = baseline_detectors.tune_limits(histories)
    untuned = baseline_detectors.rare_limits(histories)
    return {
        "the detectors, default settings": lambda earnings: replay.score(
            earnings, AnomalySettings()
        ),
        "the detectors, tuned": lambda earnings: replay.score(earnings, tuning.settings),
        "fixed limits, abuse not known": lambda earnings: baseline_detectors.fixed_limits(
            untuned, earnings
        ),
        "fixed limits, tuned": lambda earnings: baseline_detectors.fixed_limits(
            tuning.limits, earnings
        ),
        "fixed limits, tuned to the shop": lambda earnings: baseline_detectors.fixed_limits(
            by_shop, earnings
        ),
        "a plain z-score": baseline_detectors.z_score,
        "half-space trees (river)": lambda earnings: baseline_detectors.half_space_trees(
            histories, earnings
        ),
        "isolation forest (scikit-learn)": lambda earnings: baseline_detectors.isolation_forest(
            histories, earnings
        ),
    }


def _evaluate(earnings: Sequence[Earning], scorers: Mapping[str, Scorer]) -> _Run:
    abuse = {earning.id for earning in earnings if earning.label is not None}
    by_detector = replay.flag(earnings, AnomalySettings())
    flags = len(set[str]().union(*by_detector.values()))
    try:
        evaluations = {
            name: evaluate(earnings, score(earnings), flags=flags)
            for name, score in scorers.items()
        }
    except ModuleNotFoundError as error:
        raise StackError(f"{error.name} is not installed: run `make quality`.") from error
    counts: dict[str, tuple[int, int]] = {
        kind: (len(ids), len(ids & abuse)) for kind, ids in by_detector.items()
    }
    return _Run(evaluations, flags, counts)


# -- tables


def _format(runs: Mapping[str, Sequence[_Run]], tuning: _Tuning) -> str:
    points, count = tuning.limits
    parts = [_format_shop(shop, runs[shop.name]) for shop in SHOPS]
    parts.append(_format_detectors(runs))
    parts.append(
        f"Evaluated on seeds {EVALUATION_SEEDS[0]}-{EVALUATION_SEEDS[-1]}, tuned and trained on "
        f"{TUNING_SEEDS[0]}-{TUNING_SEEDS[-1]}. Each figure is the mean ± standard deviation over the "
        f'seeds, with {CUSTOMERS} customers per shop. "The detectors, tuned" have a `deviation.score` of '
        f'{tuning.settings.deviation.score}; "fixed limits, tuned" are {points:,.0f} points per award and '
        f"{count:.0f} awards per day. Measured on {datetime.now(UTC):%Y-%m-%d}; repeat with `make quality`."
    )
    return "\n\n".join(parts)


def _format_shop(shop: Shop, runs: Sequence[_Run]) -> str:
    average_precisions = [f"AP, {kind}" for kind in ("all", *KINDS)]
    heads = ["", *average_precisions, "precision", "recall", *(f"{kind} found" for kind in KINDS)]
    flags_per_day = fmean(run.flags for run in runs) / shop.days
    lines = [
        f"**A shop {shop.name}**, {shop.days} days; {flags_per_day:.1f} awards flagged a day:",
        "",
        _row(heads),
        "|" + "---|" * len(heads),
    ]
    for name in runs[0].evaluations:
        evaluations = [run.evaluations[name] for run in runs]
        columns = [
            [each.average_precision for each in evaluations],
            *([each.average_precision_by_kind[kind] for each in evaluations] for kind in KINDS),
            [each.precision for each in evaluations],
            [each.recall for each in evaluations],
            *([each.recall_by_kind[kind] for each in evaluations] for kind in KINDS),
        ]
        lines.append(_row([name, *(_cell(column) for column in columns)]))
    return "\n".join(lines)


def _format_detectors(runs: Mapping[str, Sequence[_Run]]) -> str:
    heads = ["detector", *runs]
    lines = [
        "**Flagged awards that are abuse**, with the default settings:",
        "",
        _row(heads),
        "|" + "---|" * len(heads),
    ]
    for kind in runs[SHOPS[0].name][0].by_detector:
        cells = []
        for of_shop in runs.values():
            counts = (run.by_detector[kind] for run in of_shop)
            flagged, correct = map(sum, zip(*counts, strict=True))
            cells.append(f"{correct:,} of {flagged:,}")
        lines.append(_row([f"`{kind}`", *cells]))
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    return f"{fmean(values):.2f} ± {pstdev(values):.2f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
