"""Back-off: how long to wait before each retry."""

import random
from collections.abc import Iterator
from typing import Final

FIRST_SECONDS: Final = 0.05
LONGEST_SECONDS: Final = 5.0


def delays(*, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> Iterator[float]:
    """An infinite sequence of delays in seconds, one before each retry.

    The bound doubles from `first` to `longest`; each delay is random between half the bound and the
    bound, so that processes that failed together do not retry together.
    """
    bound = first
    while True:
        yield random.uniform(bound / 2, bound)  # noqa: S311  spreads load, is not a secret
        bound = min(bound * 2, longest)
