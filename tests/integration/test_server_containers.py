"""The containers that tests start: where an image is missing, and when the run has ended."""

import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tests.servers import choice

Create = Callable[[str], str]


@pytest.fixture
def engine() -> Any:
    """The module that uses the engine."""
    if not choice.uses_containers():
        pytest.skip("The servers are not containers.")
    from tests.servers import engine  # noqa: PLC0415  large, and not needed without containers

    return engine


@pytest.fixture
def create(engine: Any) -> Iterator[Create]:
    """Creates a container of a test run; returns its name."""
    names: list[str] = []
    from tests.servers.containers import images  # noqa: PLC0415  as above

    with engine.connected() as client:

        def one(run: str) -> str:
            names.append(f"whale-test-{secrets.token_hex(4)}")
            client.containers.create(images()[-1], name=names[-1], labels={engine.LABEL: run})
            return names[-1]

        yield one
        for container in client.containers.list(all=True, filters={"label": engine.LABEL}):
            if container.name in names:
                container.remove()


def names_of_containers(engine: Any) -> set[str]:
    with engine.connected() as client:
        return {one.name for one in client.containers.list(all=True)}


def run_of(process: int, *, later_seconds: int = 0, host: str | None = None) -> str:
    """The label of a test run with this first process."""
    started = psutil.Process(process).create_time() + later_seconds
    return f"{host or socket.gethostname()} {process} {started:.0f}"


def test_a_missing_image_is_reported_after_the_given_time(engine: Any) -> None:
    # An address that refuses every connection.
    with pytest.raises(engine.EngineError, match="localhost:1/none:1 cannot be pulled within 5 s"):
        engine.provide_images(["localhost:1/none:1"], within_seconds=5)


def test_containers_of_an_ended_run_are_removed_and_no_others(engine: Any, create: Create) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run, elsewhere = run_of(process.pid), run_of(process.pid, host="elsewhere")
    running, other_host = create(run), create(elsewhere)
    reused_pid = create(run_of(process.pid, later_seconds=-5))
    engine.remove_ended()
    assert {running, other_host} <= names_of_containers(engine)
    assert reused_pid not in names_of_containers(engine)
    process.communicate()
    engine.remove_ended()
    assert other_host in names_of_containers(engine)
    assert running not in names_of_containers(engine)
