"""Measurements in turns, so that none is always first: A B B A …"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from tests.bench.bench import Bench
from tests.bench.display import time_left

T = TypeVar("T")


async def in_turns(
    bench: Bench, name: str, measures: Mapping[str, Callable[[], Awaitable[T]]]
) -> dict[str, list[T]]:
    """Measure each once per round, and print each figure. A warm-up round comes first and is dropped:
    the broker compiles itself, caches fill, accounts are created."""
    names, rounds = list(measures), bench.sizes.rounds
    figures: dict[str, list[T]] = {which: [] for which in measures}
    turns = (rounds + 1) * len(measures)
    started, done = time.monotonic(), 0
    with bench.display.step(name, turns) as advance:
        for number in range(rounds + 1):
            for which in reversed(names) if number % 2 else names:
                figure = await measures[which]()
                done += 1
                advance(done)
                if number:
                    figures[which].append(figure)
                which_round = f"round {number} of {rounds}" if number else "warm-up"
                estimate = time_left(time.monotonic() - started, done, turns)
                bench.display.line(f"  {name}, {which_round}, {which}: {figure} · {estimate}")
    return figures
