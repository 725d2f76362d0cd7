"""The tests take containers where an engine responds, and the local stack where none does."""

import re
import socket
import time
from pathlib import Path

import pytest

from tests.servers import choice
from tests.servers.choice import LOCAL_ONLY, ChoiceError

ROOT = Path(__file__).parents[3]
NO_ENGINE = "unix:///nowhere/docker.sock"
# Makes a stack of its own in place of taking the session's.
_OWN_STACK = re.compile(r"\bStack\(|\bfragile_(?:stack|shop)\b")


def given(monkeypatch: pytest.MonkeyPatch, *, mode: str, engine: str) -> None:
    monkeypatch.setenv(choice.VARIABLE, mode)
    monkeypatch.setenv("DOCKER_HOST", engine)


def test_without_an_engine_the_servers_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, mode="auto", engine=NO_ENGINE)
    selected = choice.choose()
    assert str(selected) == "servers: the local stack, since no Docker engine responds"
    assert not choice.uses_containers()


def test_an_engine_that_hangs_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        given(monkeypatch, mode="auto", engine=f"unix://{path}")
        started = time.monotonic()
        assert not choice.choose().in_containers
        # A second, and the time of imports on a busy machine; the client alone would wait for a minute.
        assert time.monotonic() - started < 30


def test_required_containers_are_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, mode="containers", engine=NO_ENGINE)
    with pytest.raises(ChoiceError, match="no Docker engine responds: repair that, or"):
        choice.choose()


def test_no_engine_is_called_for_the_local_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, mode="local", engine="no address")
    assert str(choice.choose()) == "servers: the local stack, since WHALE_TEST_STACK is local"


def test_an_unknown_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, mode="docker", engine=NO_ENGINE)
    with pytest.raises(ChoiceError, match="set it to auto, containers or local"):
        choice.choose()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tests"], True),
        (["tests/unit"], False),
        (["tests/unit/tools/test_ports.py::test_one", "tests/architecture"], False),
        (["tests/unit", "tests/e2e"], True),
        ([str(ROOT / "tests/unit")], False),
    ],
)
def test_only_tests_that_may_need_servers_choose(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: bool
) -> None:
    monkeypatch.chdir(ROOT)
    assert choice.may_need_servers(arguments, ROOT) is expected


def test_every_test_with_a_stack_of_its_own_has_a_reason() -> None:
    own = {
        path.relative_to(ROOT)
        for path in ROOT.glob("tests/*/test_*.py")
        if _OWN_STACK.search(path.read_text())
    }
    listed = {path for path in own if any(path.is_relative_to(one) for one in LOCAL_ONLY)}
    assert own == listed
    assert [one for one in LOCAL_ONLY if not (ROOT / one).exists()] == []
