"""A transaction that lost a race is retried, a bounded number of times."""

import pytest

from libs.persistence import retry
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.retry import retry_lost_race


class Attempt:
    """Loses `losses` races, then returns the number of runs."""

    def __init__(self, losses: int, error: Exception | None = None) -> None:
        self.runs = 0
        self._losses = losses
        self._error = error or ConcurrentWrite()

    async def __call__(self) -> int:
        self.runs += 1
        if self.runs <= self._losses:
            raise self._error
        return self.runs


@pytest.mark.parametrize("losses", [0, 1, retry.ATTEMPTS - 1])
async def test_a_lost_race_is_retried(losses: int) -> None:
    assert await retry_lost_race(Attempt(losses)) == losses + 1


async def test_the_last_lost_race_is_raised() -> None:
    attempt = Attempt(retry.ATTEMPTS)
    with pytest.raises(ConcurrentWrite):
        await retry_lost_race(attempt)
    assert attempt.runs == retry.ATTEMPTS


async def test_another_failure_is_raised_immediately() -> None:
    attempt = Attempt(1, ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        await retry_lost_race(attempt)
    assert attempt.runs == 1
