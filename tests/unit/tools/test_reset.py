"""`make reset` deletes what `make up` created, and no secrets that other servers depend on."""

from pathlib import Path

import pytest

from tools.__main__ import main
from tools.stack import config, record, services, state
from tools.stack.config import Settings
from tools.stack.record import Record

EXTERNAL = "postgresql://dba:secret@db.internal:5432/postgres"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHALE_HOME", str(tmp_path / "home"))
    config.stack_secrets(tmp_path / "home")
    return tmp_path / "home"


def write_record(home: Path, settings: Settings, *, is_supervised: bool) -> None:
    addresses = services.addresses(settings, config.stack_secrets(home))
    record.write(home, Record(addresses=addresses, is_supervised=is_supervised))


def check_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reset"]) == 1
    error = capsys.readouterr().err
    assert "PostgreSQL at db.internal:5432 was not started by `make up`" in error
    assert "secret@" not in error
    assert (home / "secrets.json").exists()


def test_secrets_that_provisioned_servers_depend_on_stay(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(home, Settings(postgres_url=EXTERNAL), is_supervised=False)
    check_refused(home, capsys)


def test_secrets_stay_where_the_stack_used_an_external_postgresql(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(postgres_url=EXTERNAL)
    write_record(home, settings, is_supervised=True)
    state.write(home, state.State(phase="stopped", pid=1, gateway="", settings=settings))
    check_refused(home, capsys)


def test_a_stack_of_its_own_is_deleted_with_its_secrets(home: Path) -> None:
    write_record(home, Settings(), is_supervised=True)
    state.write(home, state.State(phase="stopped", pid=1, gateway="", settings=Settings()))
    assert main(["reset"]) == 0
    assert not home.exists()
