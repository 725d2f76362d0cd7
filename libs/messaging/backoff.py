"""Waiting between tries: longer each time, bounded, and never in step with others."""

import random
from collections.abc import Iterator
from typing import Final

FIRST_SECONDS: Final = 0.05
LONGEST_SECONDS: Final = 5.0


def delays(*, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> Iterator[float]:
    """Seconds to wait before each next try, without end: full jitter under a doubling bound."""
    bound = first
    while True:
        yield random.uniform(bound / 2, bound)  # noqa: S311  spreads load, keeps no secret
        bound = min(bound * 2, longest)
