"""Which revision is the previous version."""

import subprocess
from pathlib import Path

import pytest

from tests.chaos.previous import check_out, find_previous_version

MIGRATIONS = "services/earning/migrations"


class Repository:
    """A git repository with one file per commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet")

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        outcome = subprocess.run(
            ["git", *identity, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return outcome.stdout.strip()

    def write(self, path: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(f"# {path}\n" * 20)

    def commit(self, path: str) -> str:
        self.write(path)
        self.git("add", path)
        self.git("commit", "--quiet", "-m", path)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "project")
    repository.commit(f"{MIGRATIONS}/0001_ledger.py")
    return repository


def test_it_is_the_commit_before_the_newest_migration(repository: Repository) -> None:
    before = repository.commit("a.py")
    repository.commit(f"{MIGRATIONS}/0002_refunds.py")
    repository.commit("b.py")
    repository.git("mv", f"{MIGRATIONS}/0001_ledger.py", f"{MIGRATIONS}/0001_books.py")
    repository.git("commit", "--quiet", "-m", "Rename a migration")
    assert find_previous_version(repository.folder) == before


def test_a_migration_that_is_not_committed_is_the_newest(repository: Repository) -> None:
    repository.write(f"{MIGRATIONS}/0002_refunds.py")
    assert find_previous_version(repository.folder) == "HEAD"


def test_it_is_the_newest_tag_before_this_commit(repository: Repository) -> None:
    before = repository.git("rev-parse", "HEAD")
    repository.commit(f"{MIGRATIONS}/0002_refunds.py")
    repository.git("tag", "v0.9.0")
    assert find_previous_version(repository.folder) == before
    repository.commit("a.py")
    repository.git("tag", "v0.10.0")
    assert find_previous_version(repository.folder) == "v0.9.0"
    repository.commit("b.py")
    assert find_previous_version(repository.folder) == "v0.10.0"


def test_a_clone_without_history_has_none(repository: Repository, tmp_path: Path) -> None:
    repository.commit(f"{MIGRATIONS}/0002_refunds.py")
    repository.commit("a.py")
    clone = ("clone", "--quiet", "--depth=1", repository.folder.as_uri(), str(tmp_path / "clone"))
    repository.git(*clone)
    assert find_previous_version(tmp_path / "clone") is None
    assert find_previous_version(tmp_path) is None


def test_its_files_are_checked_out_next_to_this_version(
    repository: Repository, tmp_path: Path
) -> None:
    before = repository.git("rev-parse", "HEAD")
    repository.commit("a.py")
    folder = check_out(before, tmp_path / "previous", repository.folder)
    assert (folder / MIGRATIONS / "0001_ledger.py").exists()
    assert not (folder / "a.py").exists()
