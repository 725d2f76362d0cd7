"""The previous version of this project, checked out next to it: what an upgrade finds running.

It is the newest tag before this commit, else the commit before the newest migration: the last one
that does not know the present schema.
"""

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from tests.support import ROOT

_MIGRATIONS: Final = "services/*/migrations/*.py"


def find_previous_version(root: Path = ROOT) -> str | None:
    """The revision of the previous version; None in a clone without the necessary history."""
    tags = _git(root, "tag", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-version:refname")
    if tags:
        return tags.split()[0]
    changes = _git(root, "status", "--porcelain", "--", _MIGRATIONS) or ""
    if any(line.startswith(("??", "A")) for line in changes.splitlines()):
        return "HEAD"
    newest = _git(root, "log", "-M", "--diff-filter=A", "-1", "--format=%H", "--", _MIGRATIONS)
    return find_revision(f"{newest}^", root) if newest else None


def find_revision(name: str, root: Path = ROOT) -> str | None:
    """The commit of that name; None in a clone without it."""
    return _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def check_out(revision: str, folder: Path, root: Path = ROOT) -> Path:
    """Write the files of a revision into `folder`, which is returned."""
    archive = subprocess.run(
        ["git", "archive", revision], cwd=root, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def _git(root: Path, *words: str) -> str | None:
    """The output of a command of git, or None where it fails or there is none."""
    try:
        outcome = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return outcome.stdout.strip() or None if outcome.returncode == 0 else None
