"""Every service starts from what docs/production.md installs, and with what the unit of systemd sets."""

import re
import shlex
from pathlib import Path

import pytest

from tests.architecture.test_containers import pins
from tools.stack.config import ROOT, SERVICES
from tools.stack.services import PYTHON_CLIENT

PAGE = (ROOT / "docs/production.md").read_text()
UNIT = (ROOT / "deploy/systemd/whale@.service").read_text()
INSTALLED = re.findall(r"-r requirements/(\S+)", PAGE)


@pytest.mark.parametrize("service", SERVICES)
def test_the_page_installs_the_packages_of_every_service(service: str) -> None:
    installed = {package for file in INSTALLED for package in pins(file).items()}
    assets = f"assets/{service}.txt"
    needed = [f"services/{service}.txt"]
    needed += [assets] if (ROOT / "requirements" / assets).exists() else []
    for file in needed:
        assert pins(file).items() <= installed, file


def test_the_unit_lets_the_dashboard_find_the_published_client() -> None:
    (folder,) = re.findall(r"^WorkingDirectory=(\S+)", UNIT, re.MULTILINE)
    lines = re.findall(r"^Environment=(.+)", UNIT, re.MULTILINE)
    environment = dict(each.split("=", 1) for line in lines for each in shlex.split(line))
    path = Path(environment["PYTHONPATH"])
    assert ROOT / path.relative_to(folder) == PYTHON_CLIENT
    assert (PYTHON_CLIENT / "whale_loyalty").is_dir()
