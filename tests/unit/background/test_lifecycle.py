"""Services start in order and stop in reverse order, even if one of them fails."""

import pytest

from libs.background.lifecycle import OnStop, running


class FakeService:
    """Records its starts and stops in `calls`, and fails in the step `fails_to`."""

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


async def test_services_start_in_order_and_stop_in_reverse_order() -> None:
    calls: list[str] = []
    async with running([FakeService(calls, "a"), FakeService(calls, "b")]):
        calls.append("run")
    assert calls == ["start a", "start b", "run", "stop b", "stop a"]


async def test_started_services_are_stopped_if_another_fails_to_start() -> None:
    calls: list[str] = []
    broken = FakeService(calls, "b", fails_to="start")
    with pytest.raises(RuntimeError, match="b"):
        async with running([FakeService(calls, "a"), broken, FakeService(calls, "c")]):
            pytest.fail("the context must not be entered")
    assert calls == ["start a", "start b", "stop a"]


async def test_the_other_services_are_stopped_if_one_fails_to_stop() -> None:
    calls: list[str] = []
    services = [
        FakeService(calls, "a"),
        FakeService(calls, "b", fails_to="stop"),
        FakeService(calls, "c"),
    ]
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
