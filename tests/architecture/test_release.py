"""The release is named everywhere by the same version.

pyproject.toml has it. The packages, OpenAPI and AsyncAPI get it from `make docs`, which
`tests/contract/test_generated.py` checks; people write it into the pages below.
"""

import re
from pathlib import Path

from tools.docs.packages import copies, release

ROOT = Path(__file__).parents[2]


def test_the_changelog_has_the_release_as_its_newest() -> None:
    headings = re.findall(r"^## (\S+)(.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    version, date = next(heading for heading in headings if heading[0] != "Unreleased")
    assert version == release()
    assert re.fullmatch(r" \(\d{4}-\d\d-\d\d\)", date)


def test_the_security_policy_supports_the_release() -> None:
    minor = release().rpartition(".")[0]
    assert f"| {minor}.x | yes |" in (ROOT / "SECURITY.md").read_text()


def test_the_packages_have_the_release() -> None:
    stale = [path.name for path, content in copies().items() if path.read_text() != content]
    assert stale == [], "run `make docs`"


def test_the_license_names_who_grants_it() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert re.search(r"^   Copyright \d{4} \w", text, re.MULTILINE)
