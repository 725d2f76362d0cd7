"""The commands of a runbook, run as they are printed."""

import asyncio
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support import ROOT

_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: Path, heading: str) -> str:
    """The first block of shell commands under a heading."""
    _, _, section = (ROOT / page).read_text().partition(f"# {heading}\n")
    block = _BLOCK.search(section)
    assert block is not None, f"{page} has no commands under {heading!r}"
    return block[1]


async def run(page: Path, heading: str, environment: Mapping[str, str]) -> None:
    """Run these commands; raises AssertionError with their output if one fails."""
    outcome = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", commands(page, heading)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
