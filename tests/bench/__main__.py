"""`python -m tests.bench [name …]`: measure, print a line each, and write the table."""

import argparse
import asyncio
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence

from tests.bench.bench import Bench
from tests.bench.benchmarks import ALL, LARGE, QUICK, Benchmark
from tests.bench.display import Display, time_left
from tests.bench.outcome import Outcome
from tests.bench.page import PAGE, write_table
from tests.bench.servers import servers
from tests.bench.sizes import FULL, SIZES, Sizes


def main() -> int:
    """Run benchmarks. The exit code is 1 where a goal is missed; with sizes other than the full ones
    where a ratio is beyond its floor; and where a benchmark failed or did not end in time."""
    # Ended from outside, by `timeout` for example, it still stops its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    arguments = _read_arguments()
    if unknown := set(arguments.names) - set(ALL):
        print(f"There is no benchmark {', '.join(sorted(unknown))}. Choose from: {', '.join(ALL)}.")
        return 2
    sizes = SIZES[arguments.sizes]
    benchmarks = {name: ALL[name] for name in arguments.names} or (
        LARGE if arguments.large else QUICK
    )
    outcomes, failures = _run_all(benchmarks, sizes)
    beyond = [one for one in outcomes if one.is_regression]
    missed = [one for one in outcomes if not one.is_met]
    for one in beyond:
        print(f"Regression: {one.line()}")
    for failure in failures:
        print(failure)
    return 1 if failures or (missed if sizes is FULL else beyond) else 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(ALL))
    parser.add_argument("--large", action="store_true", help="the large ones, not the quick ones")
    parser.add_argument("--sizes", choices=list(SIZES), default=FULL.name)
    return parser.parse_args()


def _run_all(
    benchmarks: Mapping[str, Benchmark], sizes: Sizes
) -> tuple[list[Outcome], Sequence[str]]:
    """Run them one after the other, each on servers of its own; full sizes go to the table. Returns
    what was measured, and a sentence for each benchmark that failed or did not end in time."""
    outcomes: list[Outcome] = []
    failures: list[str] = []
    started = time.monotonic()
    with Display() as display:
        for number, (name, benchmark) in enumerate(benchmarks.items()):
            estimate = time_left(time.monotonic() - started, number, len(benchmarks))
            limit = f"limit {benchmark.minutes} min"
            display.line(f"{name} ({number + 1} of {len(benchmarks)}, {limit}) · all: {estimate}")
            try:
                measured = _run(benchmark, sizes, display)
            except TimeoutError:
                failures.append(f"{name} did not end within {benchmark.minutes} min.")
                continue
            except Exception as error:  # noqa: BLE001  the other benchmarks still run
                traceback.print_exc()
                failures.append(f"{name} failed: {error!r}")
                continue
            for one in measured:
                display.line(one.line())
            outcomes += measured
            if sizes is FULL:
                write_table(PAGE, measured)
    return outcomes, failures


def _run(benchmark: Benchmark, sizes: Sizes, display: Display) -> list[Outcome]:
    async def run() -> list[Outcome]:
        async with asyncio.timeout(benchmark.minutes * 60):
            return await benchmark.run(Bench(stack, sizes, display))

    with servers() as stack:
        return asyncio.run(run())


if __name__ == "__main__":
    raise SystemExit(main())
