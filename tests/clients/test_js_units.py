"""The JavaScript client's unit tests, run by node's test runner."""

import shutil
import subprocess
from pathlib import Path


def test_the_javascript_clients_unit_tests_pass(js_package: Path) -> None:
    npm = shutil.which("npm")
    assert npm is not None
    outcome = subprocess.run(
        [npm, "test", "--silent"], cwd=js_package, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
