"""While the stack is down, operators' commands print one sentence and no traceback."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT
from tools.__main__ import main


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken and refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(params=["a fresh clone", "a stack that is down"])
def down(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    closed_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "stack"
    if request.param == "a stack that is down":
        home.mkdir()
    monkeypatch.setenv("WHALE_HOME", str(home))
    monkeypatch.setenv("WHALE_KAFKA_PORT", str(closed_port))
    monkeypatch.setenv("WHALE_POSTGRES_PORT", str(closed_port))
    monkeypatch.delenv("WHALE_KAFKA_URL", raising=False)
    monkeypatch.delenv("WHALE_POSTGRES_URL", raising=False)


@pytest.mark.usefixtures("down")
@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("dead-letters list", "Kafka"),
        ("dead-letters show order.completed.dlq:0:1", "Kafka"),
        ("dead-letters replay --all", "Kafka"),
        ("dead-letters drop --all", "Kafka"),
        ("rebuild redemption", "Kafka"),
        ("rewind --to 2026-03-10T12:00:00Z", "Kafka"),
        ("rebuild days", "PostgreSQL"),
        ("verify", "PostgreSQL"),
        ("orders --held", "PostgreSQL"),
        ("orders --skipped", "PostgreSQL"),
    ],
)
def test_a_command_reports_which_server_is_unavailable_and_what_to_do(
    command: str, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 1
    out, err = capfd.readouterr()
    variable = {"Kafka": "WHALE_KAFKA_URL", "PostgreSQL": "WHALE_POSTGRES_URL"}[server]
    assert err == (
        f"{server} does not respond: start the stack with `make up`, or check {variable}.\n"
    )
    assert out == ""


@pytest.mark.usefixtures("down")
def test_no_log_line_of_a_library_is_printed() -> None:
    """In a process of its own, where log lines would reach the terminal."""
    command = [sys.executable, "-m", "tools", "dead-letters", "list"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines() == [
        "Kafka does not respond: start the stack with `make up`, or check WHALE_KAFKA_URL."
    ]
