"""The goal of each ratio, and its floor: a ratio beyond the floor is a regression."""

from typing import Final

from msgspec import Struct

from tools.stack.config import SERVICES


class Goal(Struct, frozen=True):
    """A ratio of ours to the limit. A rate must reach the goal; a time or a size must not exceed it.
    `goal` is None where there is a floor only."""

    goal: float | None
    floor: float
    is_rate: bool = True

    def is_met(self, ratio: float) -> bool:
        """Whether the goal is reached."""
        return self.goal is None or self._reaches(ratio, self.goal)

    def is_regression(self, ratio: float) -> bool:
        """Whether the ratio is beyond the floor."""
        return not self._reaches(ratio, self.floor)

    def _reaches(self, ratio: float, bound: float) -> bool:
        return ratio >= bound if self.is_rate else ratio <= bound

    def text(self, bound: float | None) -> str:
        """As it is printed."""
        if bound is None:
            return "–"
        return f"≥ {bound:g}" if self.is_rate else f"≤ {bound:g} ×"


def _rate(goal: float | None, *, floor: float) -> Goal:
    return Goal(goal, floor)


def _at_most(goal: float | None, *, floor: float) -> Goal:
    return Goal(goal, floor, is_rate=False)


# Floors are a little below what was measured last; where nothing was measured yet, below the goal.
GOALS: Final[dict[str, Goal]] = {
    "P1 backlog": _rate(0.6, floor=0.27),
    "P1r backlog and relay": _rate(0.75, floor=0.5),
    "P3 latency p50": _at_most(1.3, floor=1.5),
    "P3 latency p99": _at_most(1.4, floor=1.8),
    "P4 hot customer": _rate(1.2, floor=1.0),
    "P1 with expiry": _rate(0.85, floor=0.7),
    "P4 with expiry": _rate(0.9, floor=0.7),
    # Of 20,000 accounts per second.
    "sweeper": _rate(1.0, floor=0.7),
    "P5 redeem": _rate(0.55, floor=0.4),
    "redeem hot customer": _rate(0.9, floor=0.9),
    "redeem hot customer p99": _at_most(1.5, floor=1.5),
    "redeem hot reward": _rate(0.7, floor=0.7),
    "list of rewards": _rate(0.6, floor=0.6),
    "manual earn": _rate(0.5, floor=0.5),
    "P7 status, small ledger": _rate(0.6, floor=0.5),
    "P7 status, large ledger": _rate(0.6, floor=0.5),
    "P7 status, large and small ledger": _rate(0.9, floor=0.85),
    "P9 large ledger": _rate(0.75, floor=0.45),
    "P12 detection": _rate(0.7, floor=0.55),
    "P12 detection delay": _at_most(1.0, floor=6.0),
    "flagged": _at_most(1.0, floor=1.0),
    "P13 one transaction per order": _rate(15, floor=10),
    "P13 DBOS": _rate(100, floor=60),
    **{f"P15 growth of {service}": _at_most(1.05, floor=1.1) for service in SERVICES},
    "P15 largest service": _at_most(1.0, floor=1.1),
    "P16 deep page": _at_most(1.5, floor=1.8),
    "P17 awards in batches": _rate(0.3, floor=0.15),
    # Of processor time, hence 0.98 of the rate.
    "P1 during the books check": _at_most(1.02, floor=1.1),
    "scale-out, 2 processes": _at_most(None, floor=1.4),
    "scale-out, 4 processes": _at_most(None, floor=1.7),
    "manual award during a backlog, p99": _at_most(3, floor=4),
    "another store's order behind a backlog": _at_most(1.0, floor=1.0),
}
