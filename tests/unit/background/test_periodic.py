"""A periodic task survives every failure, and ends when it is stopped."""

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
    """Returns or raises each of `outcomes` in order, then returns False."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        self.runs = 0
        self._outcomes = list(outcomes)

    async def __call__(self) -> bool:
        self.runs += 1
        outcome = self._outcomes.pop(0) if self._outcomes else False
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def has_run(self, times: int) -> Callable[[], None]:
        def check() -> None:
            assert self.runs >= times

        return check


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "delays", lambda **_: iter([0.001] * 100))


def periodic_task(seconds: float, work: Work) -> Periodic:
    return Periodic(
        "test",
        work,
        every_seconds=seconds,
        is_transient=lambda error: isinstance(error, Unavailable),
    )


async def test_the_work_runs_again_after_the_interval() -> None:
    work = Work()
    task = periodic_task(0.001, work)
    await task.start()
    await eventually(work.has_run(3))
    await task.stop()


async def test_the_work_runs_again_immediately_while_there_is_more() -> None:
    work = Work(True, True)
    task = periodic_task(3_600, work)
    await task.start()
    await eventually(work.has_run(3))
    await asyncio.sleep(0.02)
    await task.stop()
    assert work.runs == 3


async def test_failures_do_not_end_the_task_and_are_logged() -> None:
    work = Work(Unavailable("a"), Unavailable("b"), ValueError("c"), False)
    task = periodic_task(3_600, work)
    with capture_logs() as logs:
        await task.start()
        await eventually(work.has_run(4))
        await task.stop()
    assert [entry["event"] for entry in logs] == ["background_task_retry", "background_task_failed"]
    assert [entry["log_level"] for entry in logs] == ["warning", "error"]


async def test_a_stopped_task_does_not_run_again() -> None:
    work = Work()
    task = periodic_task(0.001, work)
    await task.start()
    await eventually(work.has_run(1))
    await task.stop()
    runs = work.runs
    await asyncio.sleep(0.02)
    assert work.runs == runs


async def test_a_task_that_was_never_started_can_be_stopped() -> None:
    await periodic_task(1, Work()).stop()
