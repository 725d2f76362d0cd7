"""Services start in order and stop in reverse, whatever fails."""

import pytest

from libs.background.lifecycle import OnStop, running


class Recorded:
    """Writes its starts and stops into `calls`, and fails where it is asked to."""

    def __init__(self, calls: list[str], name: str, *, fails_to: str = "") -> None:
        self._calls = calls
        self._name = name
        self._fails_to = fails_to

    async def start(self) -> None:
        self._do("start")

    async def stop(self) -> None:
        self._do("stop")

    def _do(self, step: str) -> None:
        self._calls.append(f"{step} {self._name}")
        if self._fails_to == step:
            raise RuntimeError(self._name)


async def test_they_start_in_order_and_stop_in_reverse() -> None:
    calls: list[str] = []
    async with running([Recorded(calls, "a"), Recorded(calls, "b")]):
        calls.append("run")
    assert calls == ["start a", "start b", "run", "stop b", "stop a"]


async def test_what_was_started_is_stopped_when_another_fails_to_start() -> None:
    calls: list[str] = []
    broken = Recorded(calls, "b", fails_to="start")
    with pytest.raises(RuntimeError, match="b"):
        async with running([Recorded(calls, "a"), broken, Recorded(calls, "c")]):
            pytest.fail("it must not run")
    assert calls == ["start a", "start b", "stop a"]


async def test_one_that_fails_to_stop_leaves_none_running() -> None:
    calls: list[str] = []
    services = [Recorded(calls, "a"), Recorded(calls, "b", fails_to="stop"), Recorded(calls, "c")]
    with pytest.raises(RuntimeError, match="b"):
        async with running(services):
            pass
    assert calls[-3:] == ["stop c", "stop b", "stop a"]


async def test_a_resource_is_closed_at_the_end() -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("engine")

    async with running([OnStop(close)]):
        assert not closed
    assert closed == ["engine"]
