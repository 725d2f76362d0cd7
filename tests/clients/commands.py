"""Commands that a test runs and that have to succeed."""

import subprocess
from pathlib import Path


def run(*command: str | Path, cwd: Path) -> str:
    """Run the command in `cwd`; returns what it printed."""
    process = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout
