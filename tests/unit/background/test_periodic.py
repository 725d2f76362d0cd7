"""A periodic task goes on whatever happens, and ends when it is stopped."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from libs.background import periodic
from libs.background.periodic import Periodic
from libs.testing.eventually import eventually


class Unavailable(Exception):
    pass


class Work:
    """Does what `outcomes` say in order, and then nothing more."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        self.runs = 0
        self._outcomes = list(outcomes)

    async def __call__(self) -> bool:
        self.runs += 1
        outcome = self._outcomes.pop(0) if self._outcomes else False
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def ran(self, times: int) -> Callable[[], None]:
        def look() -> None:
            assert self.runs >= times

        return look


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "delays", lambda **_: iter([0.001] * 100))


def every(seconds: float, work: Work) -> Periodic:
    return Periodic(
        "test",
        work,
        every_seconds=seconds,
        is_transient=lambda error: isinstance(error, Unavailable),
    )


async def test_it_runs_again_after_its_interval() -> None:
    work = Work()
    task = every(0.001, work)
    await task.start()
    await eventually(work.ran(3))
    await task.stop()


async def test_it_runs_again_immediately_while_there_is_more() -> None:
    work = Work(True, True)
    task = every(3_600, work)
    await task.start()
    await eventually(work.ran(3))
    await asyncio.sleep(0.02)
    await task.stop()
    assert work.runs == 3


async def test_failures_do_not_end_it_and_are_reported() -> None:
    work = Work(Unavailable("a"), Unavailable("b"), ValueError("c"), False)
    task = every(3_600, work)
    with capture_logs() as logs:
        await task.start()
        await eventually(work.ran(4))
        await task.stop()
    assert [entry["event"] for entry in logs] == ["background_task_retry", "background_task_failed"]
    assert [entry["log_level"] for entry in logs] == ["warning", "error"]


async def test_a_stopped_task_does_not_run_again() -> None:
    work = Work()
    task = every(0.001, work)
    await task.start()
    await eventually(work.ran(1))
    await task.stop()
    runs = work.runs
    await asyncio.sleep(0.02)
    assert work.runs == runs


async def test_one_that_was_never_started_can_be_stopped() -> None:
    await every(1, Work()).stop()
