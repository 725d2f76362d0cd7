"""What the benchmarks rest on: the CPU time of processes, turns, goals and floors, the table."""

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from msgspec import structs

from tests.bench.bench import Bench
from tests.bench.cpu import Cpu, used
from tests.bench.display import Display
from tests.bench.figures import Figure, median
from tests.bench.goals import GOALS, Goal
from tests.bench.outcome import Outcome, outcome
from tests.bench.page import PAGE, write_table
from tests.bench.sizes import TRIAL
from tests.bench.turns import in_turns

BURN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
# A server whose child works and ends, as a backend of PostgreSQL does.
SERVER = f"""
import subprocess, sys, time
subprocess.run([sys.executable, "-c", {BURN!r}])
print("ended", flush=True)
time.sleep(60)
"""


def test_the_time_of_a_child_that_has_ended_counts() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        seconds = used(server.pid)
        server.kill()
    assert seconds >= 0.3


def test_the_time_of_a_running_child_counts() -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with subprocess.Popen([sys.executable, "-c", program]) as server:
        until = time.monotonic() + 60
        try:
            while used(server.pid) < 0.3:
                assert time.monotonic() < until
                time.sleep(0.05)
        finally:
            for child in psutil.Process(server.pid).children():
                child.kill()


def make_bench(rounds: int) -> Bench:
    return Bench(None, structs.replace(TRIAL, rounds=rounds), Display())  # type: ignore[arg-type]


async def test_turns_alternate_and_drop_the_first_round() -> None:
    order: list[str] = []

    def measure(which: str) -> Callable[[], Awaitable[Figure]]:
        async def record() -> Figure:
            order.append(which)
            return Figure(len(order))

        return record

    figures = await in_turns(
        make_bench(rounds=2), "P0", {which: measure(which) for which in ("ours", "limit")}
    )
    assert order == ["ours", "limit", "limit", "ours", "ours", "limit"]
    assert [one.value for one in figures["ours"]] == [4, 5]
    assert [one.value for one in figures["limit"]] == [3, 6]


@pytest.mark.parametrize(
    ("goal", "ratio", "met", "regression"),
    [
        pytest.param(Goal(0.6, 0.3), 0.6, True, False, id="a rate at its goal"),
        pytest.param(Goal(0.6, 0.3), 0.3, False, False, id="a rate at its floor"),
        pytest.param(Goal(0.6, 0.3), 0.29, False, True, id="a rate below its floor"),
        pytest.param(Goal(1.3, 1.8, is_rate=False), 1.3, True, False, id="a time at its goal"),
        pytest.param(Goal(1.3, 1.8, is_rate=False), 1.8, False, False, id="a time at its floor"),
        pytest.param(Goal(1.3, 1.8, is_rate=False), 1.9, False, True, id="a time beyond its floor"),
        pytest.param(Goal(None, 1.4, is_rate=False), 1.5, True, True, id="a floor only"),
    ],
)
def test_a_ratio_is_judged(goal: Goal, ratio: float, met: bool, regression: bool) -> None:
    assert goal.is_met(ratio) == met
    assert goal.is_regression(ratio) == regression


@pytest.mark.parametrize("name", GOALS)
def test_no_floor_is_stricter_than_its_goal(name: str) -> None:
    goal = GOALS[name]
    assert goal.goal is None or not goal.is_regression(goal.goal)


def test_medians_are_taken_by_part() -> None:
    figures = [Figure(float(n), Cpu(n, 10 - n, 0)) for n in (1, 2, 9)]
    assert median(figures) == Figure(2.0, Cpu(2, 8, 0))


def make_outcome(ours: float) -> Outcome:
    cpu = Cpu(29e-6, 150e-6, 2.24e-6)
    return outcome("P1 backlog", [Figure(ours, cpu)], [Figure(100.0)], unit="orders/s")


def test_a_measured_row_replaces_its_old_one_and_keeps_the_others(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(PAGE.read_text())
    others = {
        line for line in PAGE.read_text().splitlines() if not line.startswith("| P1 backlog |")
    }
    write_table(page, [make_outcome(11)])
    write_table(page, [make_outcome(62)])
    lines = page.read_text().splitlines()
    assert others <= set(lines)
    (row,) = (line for line in lines if line.startswith("| P1 backlog |"))
    assert row.startswith(
        "| P1 backlog | 62 orders/s | 100 orders/s | 0.62 | ≥ 0.6 | ≥ 0.27 | met | "
        "29.0 + 150 + 2.2 | – | "
    )


def test_a_line_says_that_a_ratio_is_a_regression() -> None:
    assert "REGRESSION" in make_outcome(11).line()
    assert "MISSED" in make_outcome(40).line()
