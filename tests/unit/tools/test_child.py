"""A child of the supervisor: always watched, restarted when it is unhealthy."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from libs.testing.eventually import eventually
from tools.stack.child import Child, RestartPolicy
from tools.stack.health import READY, Health
from tools.stack.process import ProcessSpec

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
FAIL = (sys.executable, "-c", "raise SystemExit(3)")


class FakeProbe:
    """Reports `health` of a running child; no response of one that has ended or is frozen."""

    def __init__(self) -> None:
        self.health = READY
        self.child: Child | None = None

    async def check(self) -> Health:
        assert self.child is not None
        pid = self.child.pid
        if pid is None or psutil.Process(pid).status() == psutil.STATUS_STOPPED:
            return Health("no response", responds=False)
        return self.health


def ignore_change() -> None:
    """For tests that do not look at changes."""


class Delays:
    """The delays before each start, as the child reports them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.child: Child | None = None

    def record(self) -> None:
        if self.child is not None and self.child.retry_at is not None:
            self.seconds.append(self.child.retry_at - time.time())


@asynccontextmanager
async def watched(
    logs: Path,
    argv: tuple[str, ...],
    *,
    on_change: Callable[[], None] = ignore_change,
    dependencies_are_ready: Callable[[], bool] = lambda: True,
) -> AsyncIterator[tuple[Child, FakeProbe]]:
    probe = FakeProbe()
    policy = RestartPolicy(
        check_health=probe.check,
        dependencies_are_ready=dependencies_are_ready,
        unresponsive_seconds=0.5,
        unready_seconds=1,
    )
    spec = ProcessSpec(name="child", argv=argv, address="")
    child = probe.child = Child(spec, logs, on_change, policy)
    child.start()
    try:
        yield child, probe
    finally:
        await child.stop()
    assert child.pid is None
    assert child.state == "stopped"


async def wait_until_ready(child: Child, *, apart_from: int | None = None) -> int:
    """Wait until the child is ready, in another process than `apart_from`; returns its pid."""

    def is_ready() -> int:
        pid = child.pid
        assert pid is not None
        assert pid != apart_from
        assert child.state == "running", child.reason
        return pid

    return await eventually(is_ready, within_seconds=20)


async def test_a_child_that_was_ready_restarts_immediately_however_often_it_is_killed(
    tmp_path: Path,
) -> None:
    """Only failed starts delay the next start, not the deaths of a process that ran well."""
    delays = Delays()
    async with watched(tmp_path, SLEEP, on_change=delays.record) as (child, _):
        delays.child = child
        pid = await wait_until_ready(child)
        for _ in range(6):
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: child.state == "restarting")
            assert child.reason == "ended by signal 9"
            pid = await wait_until_ready(child, apart_from=pid)
    assert len(delays.seconds) == 6
    assert max(delays.seconds) < 0.3


async def test_failed_starts_are_delayed_more_each_time_unless_a_start_is_requested(
    tmp_path: Path,
) -> None:
    delays = Delays()
    async with watched(tmp_path, FAIL, on_change=delays.record) as (child, probe):
        delays.child = child
        probe.health = Health("starting")
        await eventually(lambda: len(delays.seconds) == 5, within_seconds=30)
        assert child.reason == "ended with exit code 3"
        assert [round(seconds, 1) for seconds in delays.seconds] == [0.2, 0.4, 0.8, 1.6, 3.2]
        child.skip_restart_delay()
        # Without the request, it would start again only after the last delay.
        await eventually(lambda: len(delays.seconds) > 5, within_seconds=2.5)


async def test_a_program_that_cannot_be_spawned_is_retried_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "program"
    async with watched(tmp_path, (str(program),)) as (child, _):
        await eventually(lambda: child.failures >= 2)
        assert child.reason is not None
        assert "FileNotFoundError" in child.reason
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o755)
        await wait_until_ready(child)


async def test_a_child_runs_although_its_log_cannot_be_written(tmp_path: Path) -> None:
    async with watched(tmp_path / "no such folder", SLEEP) as (child, _):
        await wait_until_ready(child)


async def test_the_watch_continues_although_the_state_cannot_be_published(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    with caplog.at_level(logging.CRITICAL):
        async with watched(tmp_path, SLEEP, on_change=fail) as (child, _):
            pid = await wait_until_ready(child)
            os.kill(pid, signal.SIGKILL)
            await wait_until_ready(child, apart_from=pid)


async def test_a_frozen_child_is_restarted(tmp_path: Path) -> None:
    async with watched(tmp_path, SLEEP) as (child, _):
        pid = await wait_until_ready(child)
        os.kill(pid, signal.SIGSTOP)
        await eventually(lambda: child.state == "not ready")
        assert child.reason == "no response"
        await wait_until_ready(child, apart_from=pid)


async def test_a_child_that_is_not_ready_is_restarted_after_ever_longer_times(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path, SLEEP) as (child, probe):
        pid = await wait_until_ready(child)
        for limit in (1, 2):
            probe.health = Health("messaging: stuck")
            await eventually(lambda: child.state == "restarting", within_seconds=20, every=0.01)
            assert child.reason == f"not ready for {limit} s: messaging: stuck"
            probe.health = READY
            pid = await wait_until_ready(child, apart_from=pid)


async def test_a_child_that_waits_for_its_dependencies_is_not_restarted(tmp_path: Path) -> None:
    is_ready = False
    async with watched(tmp_path, SLEEP, dependencies_are_ready=lambda: is_ready) as (child, probe):
        pid = await wait_until_ready(child)
        probe.health = Health("messaging: Kafka is unavailable")
        await eventually(lambda: child.state == "not ready")
        await asyncio.sleep(2.5)
        assert (child.state, child.pid) == ("not ready", pid)
        is_ready = True
        probe.health = READY
        await wait_until_ready(child)
        assert child.pid == pid


async def test_a_child_stops_although_its_health_check_swallows_a_cancellation(
    tmp_path: Path,
) -> None:
    checked = asyncio.Event()

    async def check_once_more() -> Health:
        if not checked.is_set():
            checked.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        return READY

    async with asyncio.timeout(30):
        async with watched(tmp_path, SLEEP) as (child, _):
            child._policy = msgspec.structs.replace(child._policy, check_health=check_once_more)
            await checked.wait()
