"""What all commands have in common."""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.__main__ import COMMANDS


@pytest.mark.parametrize("module", COMMANDS)
def test_a_module_registers_the_commands_that_are_listed_for_it(module: str) -> None:
    commands = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(module).register(commands)
    assert tuple(commands.choices) == COMMANDS[module]


def test_a_command_ends_quietly_when_the_reader_of_its_output_has_seen_enough(
    tmp_path: Path,
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "earning.log").write_text('{"event": "started"}\n')
    with subprocess.Popen(
        [sys.executable, "-m", "tools", "logs"],
        env=os.environ | {"WHALE_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        assert command.stdout is not None
        command.stdout.close()
        assert command.stderr is not None
        assert command.stderr.read() == b""
        assert command.wait() == 0
