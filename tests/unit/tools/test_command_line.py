"""What all commands have in common."""

import os
import subprocess
import sys
from pathlib import Path


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
