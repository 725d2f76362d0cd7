"""A child of the supervisor: always watched, restarted when it is unhealthy."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import msgspec
import psutil
import pytest

from libs.testing.eventually import eventually
from tools.stack import child as child_module
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


class Changes:
    """What the child reports: each state with its reason, and the delay before each start. A state may
    have passed before a test looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.states: list[tuple[str, str | None]] = []
        self.delays: list[float] = []
        self.child: Child | None = None
        # A delay is computed and reported at the same time, on a clock that does not move meanwhile.
        clock = SimpleNamespace(time=lambda: 100.0, monotonic=time.monotonic)
        monkeypatch.setattr(child_module, "time", clock)

    def record(self) -> None:
        assert self.child is not None
        self.states.append((self.child.state, self.child.reason))
        if self.child.retry_at is not None:
            self.delays.append(round(self.child.retry_at - 100.0, 3))


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> Changes:
    return Changes(monkeypatch)


@asynccontextmanager
async def watched(
    logs: Path,
    argv: tuple[str, ...],
    *,
    changes: Changes | None = None,
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
    child = probe.child = Child(spec, logs, changes.record if changes else on_change, policy)
    if changes is not None:
        changes.child = child
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

    return await eventually(is_ready)


async def test_a_child_that_was_ready_restarts_immediately_however_often_it_is_killed(
    tmp_path: Path, changes: Changes
) -> None:
    """Only failed starts delay the next start, not the deaths of a process that ran well."""
    async with watched(tmp_path, SLEEP, changes=changes) as (child, _):
        pid = await wait_until_ready(child)
        for _ in range(6):
            os.kill(pid, signal.SIGKILL)
            pid = await wait_until_ready(child, apart_from=pid)
    reasons = {reason for state, reason in changes.states if state == "restarting"}
    assert reasons == {"ended by signal 9"}
    assert changes.delays == [0.2] * 6


async def test_failed_starts_are_delayed_more_each_time_unless_a_start_is_requested(
    tmp_path: Path, changes: Changes
) -> None:
    async with watched(tmp_path, FAIL, changes=changes) as (child, probe):
        probe.health = Health("starting")
        await eventually(lambda: len(changes.delays) == 5)
        assert child.reason == "ended with exit code 3"
        assert changes.delays == [0.2, 0.4, 0.8, 1.6, 3.2]
        child.skip_restart_delay()
        # A few turns of the event loop: without the request, the last delay would not be over.
        for _ in range(3):
            await asyncio.sleep(0)
        assert child.retry_at is None
        await eventually(lambda: len(changes.delays) == 6)


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


async def test_a_frozen_child_is_restarted(tmp_path: Path, changes: Changes) -> None:
    async with watched(tmp_path, SLEEP, changes=changes) as (child, _):
        pid = await wait_until_ready(child)
        os.kill(pid, signal.SIGSTOP)
        await wait_until_ready(child, apart_from=pid)
    assert ("not ready", "no response") in changes.states
    assert ("restarting", "no response") in changes.states


def is_in(state: tuple[str, str | None], states: Sequence[tuple[str, str | None]]) -> bool:
    return state in states


async def test_a_child_that_is_not_ready_is_restarted_after_ever_longer_times(
    tmp_path: Path, changes: Changes
) -> None:
    async with watched(tmp_path, SLEEP, changes=changes) as (child, probe):
        pid = await wait_until_ready(child)
        for limit in (1, 2):
            probe.health = Health("messaging: stuck")
            restarting = ("restarting", f"not ready for {limit} s: messaging: stuck")
            await eventually(partial(is_in, restarting, changes.states))
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

    async with asyncio.timeout(60):
        async with watched(tmp_path, SLEEP) as (child, _):
            child._policy = msgspec.structs.replace(child._policy, check_health=check_once_more)
            await checked.wait()
