"""What an operator is told while the stack is down: one sentence, and no traceback."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT
from tools.__main__ import main


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that is taken, and where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture(params=["a fresh clone", "a stack that is down"])
def down(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    closed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "stack"
    if request.param == "a stack that is down":
        home.mkdir()
    monkeypatch.setenv("WHALE_HOME", str(home))
    monkeypatch.setenv("WHALE_KAFKA_PORT", str(closed))
    monkeypatch.setenv("WHALE_POSTGRES_PORT", str(closed))
    monkeypatch.delenv("WHALE_KAFKA_URL", raising=False)
    monkeypatch.delenv("WHALE_POSTGRES_URL", raising=False)


@pytest.mark.usefixtures("down")
@pytest.mark.parametrize(
    ("words", "server"),
    [
        ("dead-letters list", "Kafka"),
        ("dead-letters show order.completed.dlq:0:1", "Kafka"),
        ("dead-letters replay --all", "Kafka"),
        ("dead-letters drop --all", "Kafka"),
        ("rebuild redemption", "Kafka"),
        ("rebuild days", "PostgreSQL"),
        ("verify", "PostgreSQL"),
        ("orders --held", "PostgreSQL"),
        ("orders --skipped", "PostgreSQL"),
    ],
)
def test_a_command_says_what_is_away_and_what_to_do(
    words: str, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 1
    out, told = capfd.readouterr()
    variable = {"Kafka": "WHALE_KAFKA_URL", "PostgreSQL": "WHALE_POSTGRES_URL"}[server]
    assert told == (
        f"{server} does not answer: start the stack with `make up`, or check {variable}.\n"
    )
    assert out == ""


@pytest.mark.usefixtures("down")
def test_nothing_of_the_libraries_shows_either() -> None:
    """As a process of its own: what is logged goes to the terminal there."""
    command = [sys.executable, "-m", "tools", "dead-letters", "list"]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert asked.returncode == 1
    assert asked.stderr.splitlines() == [
        "Kafka does not answer: start the stack with `make up`, or check WHALE_KAFKA_URL."
    ]
