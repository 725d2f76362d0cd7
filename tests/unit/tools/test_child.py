"""A child of the supervisor: watched whatever happens, restarted when it is not well."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from libs.testing.eventually import eventually
from tools.stack.child import Care, Child
from tools.stack.health import READY, Health
from tools.stack.process import Program

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
DIE = (sys.executable, "-c", "raise SystemExit(3)")


class Doctor:
    """Reports how the child is: `health`, unless it has ended or is frozen."""

    def __init__(self) -> None:
        self.health = READY
        self.child: Child | None = None

    async def ask(self) -> Health:
        assert self.child is not None
        pid = self.child.pid
        if pid is None or psutil.Process(pid).status() == psutil.STATUS_STOPPED:
            return Health("no response", responds=False)
        return self.health


def nothing() -> None:
    """Nobody is interested in changes."""


class Delays:
    """The delays before each start, as they are published."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.child: Child | None = None

    def changed(self) -> None:
        if self.child is not None and self.child.retry_at is not None:
            self.seconds.append(self.child.retry_at - time.time())


@asynccontextmanager
async def watched(
    logs: Path,
    argv: tuple[str, ...],
    *,
    changed: Callable[[], None] = nothing,
    can_be_ready: Callable[[], bool] = lambda: True,
) -> AsyncIterator[tuple[Child, Doctor]]:
    doctor = Doctor()
    care = Care(
        ask=doctor.ask,
        can_be_ready=can_be_ready,
        silent_seconds=0.5,
        unready_seconds=1,
    )
    child = doctor.child = Child(Program(name="it", argv=argv, address=""), logs, changed, care)
    child.start()
    try:
        yield child, doctor
    finally:
        await child.stop()
    assert child.pid is None
    assert child.state == "stopped"


async def runs(child: Child, *, apart_from: int | None = None) -> int:
    """Wait until it is ready, in another process than before."""

    def is_ready() -> int:
        pid = child.pid
        assert pid is not None
        assert pid != apart_from
        assert child.state == "running", child.why
        return pid

    return await eventually(is_ready, within_seconds=20)


async def test_a_child_that_was_ready_is_back_at_once_however_often_it_is_killed(
    tmp_path: Path,
) -> None:
    """What delays a start are starts before it that failed, not deaths of what ran well."""
    delays = Delays()
    async with watched(tmp_path, SLEEP, changed=delays.changed) as (child, _):
        delays.child = child
        pid = await runs(child)
        for _ in range(6):
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: child.state == "restarting")
            assert child.why == "ended by signal 9"
            pid = await runs(child, apart_from=pid)
    assert len(delays.seconds) == 6
    assert max(delays.seconds) < 0.3


async def test_starts_that_fail_come_later_and_later_unless_somebody_asks(tmp_path: Path) -> None:
    delays = Delays()
    async with watched(tmp_path, DIE, changed=delays.changed) as (child, doctor):
        delays.child = child
        doctor.health = Health("starting")
        await eventually(lambda: len(delays.seconds) == 5, within_seconds=30)
        assert child.why == "ended with exit code 3"
        assert [round(seconds, 1) for seconds in delays.seconds] == [0.2, 0.4, 0.8, 1.6, 3.2]
        child.start_now()
        # Without being asked, it would start again only after the last delay.
        await eventually(lambda: len(delays.seconds) > 5, within_seconds=2.5)


async def test_a_program_that_cannot_be_spawned_is_tried_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "program"
    async with watched(tmp_path, (str(program),)) as (child, _):
        await eventually(lambda: child.failures >= 2)
        assert child.why is not None
        assert "FileNotFoundError" in child.why
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o755)
        await runs(child)


async def test_a_log_that_cannot_be_written_does_not_keep_a_child_from_running(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path / "no such folder", SLEEP) as (child, _):
        await runs(child)


async def test_a_state_that_cannot_be_published_does_not_end_the_watch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    with caplog.at_level(logging.CRITICAL):
        async with watched(tmp_path, SLEEP, changed=fail) as (child, _):
            pid = await runs(child)
            os.kill(pid, signal.SIGKILL)
            await runs(child, apart_from=pid)


async def test_a_frozen_child_is_restarted(tmp_path: Path) -> None:
    async with watched(tmp_path, SLEEP) as (child, _):
        pid = await runs(child)
        os.kill(pid, signal.SIGSTOP)
        await eventually(lambda: child.state == "not ready")
        assert child.why == "no response"
        await runs(child, apart_from=pid)


async def test_a_child_that_is_not_ready_is_restarted_ever_more_rarely(tmp_path: Path) -> None:
    async with watched(tmp_path, SLEEP) as (child, doctor):
        pid = await runs(child)
        for limit in (1, 2):
            doctor.health = Health("messaging: stuck")
            await eventually(lambda: child.state == "restarting", within_seconds=20, every=0.01)
            assert child.why == f"not ready for {limit} s: messaging: stuck"
            doctor.health = READY
            pid = await runs(child, apart_from=pid)


async def test_a_child_that_waits_for_another_is_left_in_peace(tmp_path: Path) -> None:
    other_is_ready = False
    async with watched(tmp_path, SLEEP, can_be_ready=lambda: other_is_ready) as (child, doctor):
        pid = await runs(child)
        doctor.health = Health("messaging: Kafka is unavailable")
        await eventually(lambda: child.state == "not ready")
        await asyncio.sleep(2.5)
        assert (child.state, child.pid) == ("not ready", pid)
        other_is_ready = True
        doctor.health = READY
        await runs(child)
        assert child.pid == pid
