"""Invalid settings are reported at startup by the names of their variables, without values."""

from pathlib import Path
from typing import Any

import pytest

from libs.kernel.settings import SettingsError, load
from services.anomaly.settings import Settings as Anomaly
from services.catalog.settings import Settings as Catalog
from services.earning.settings import Settings as Earning
from services.gateway.settings import KeySettings
from services.gateway.settings import Settings as Gateway
from services.redemption.settings import Settings as Redemption


@pytest.mark.parametrize("kind", [Anomaly, Catalog, Earning, Redemption, Gateway, KeySettings])
def test_a_secret_that_is_too_short_is_reported_without_its_value(kind: Any) -> None:
    for secret in ("x", "hunter2", "s" * 31):
        environ = {"WHALE_INTERNAL_TOKEN": secret, "WHALE_KEY_SECRET": secret}
        with pytest.raises(SettingsError) as error:
            load(kind, environ)
        reported = {
            name for name in environ if f"{name} is too short for a secret" in str(error.value)
        }
        assert reported
        assert reported == {name for name in environ if hasattr(kind, name[6:].lower())}
        assert "hunter2" not in str(error.value)
    with pytest.raises(SettingsError) as error:
        load(kind, dict.fromkeys(environ, "s" * 32))
    assert "too short" not in str(error.value)


def test_a_secret_may_be_in_a_file_of_its_own_or_in_a_file_of_variables(tmp_path: Path) -> None:
    (tmp_path / "database").write_text("postgresql://gateway:pass=word@db/gateway\n")
    (tmp_path / "settings.env").write_text(
        f"# of the gateway\n\nWHALE_KEY_SECRET={'s' * 32}\nWHALE_MODE=local\nWHALE_DATABASE_URL=\n"
    )
    environ = {
        "WHALE_DATABASE_URL_FILE": str(tmp_path / "database"),
        "WHALE_ENV_FILE": str(tmp_path / "settings.env"),
        "WHALE_MODE": "production",
    }
    settings = load(KeySettings, environ)
    assert settings.database_url == "postgresql://gateway:pass=word@db/gateway"
    assert settings.key_secret == "s" * 32
    assert settings.mode == "production"


def test_files_that_cannot_be_read_and_values_given_in_two_ways_are_reported(
    tmp_path: Path,
) -> None:
    environ = {
        "WHALE_DATABASE_URL_FILE": str(tmp_path / "missing"),
        "WHALE_KEY_SECRET_FILE": str(tmp_path / "missing"),
        "WHALE_KEY_SECRET": "hunter2",
    }
    with pytest.raises(SettingsError) as error:
        load(KeySettings, environ)
    assert f"WHALE_DATABASE_URL_FILE: {tmp_path}/missing cannot be read" in str(error.value)
    assert "WHALE_KEY_SECRET and WHALE_KEY_SECRET_FILE are both set" in str(error.value)
    assert "hunter2" not in str(error.value)
    with pytest.raises(SettingsError, match=r"WHALE_ENV_FILE: /nowhere cannot be read"):
        load(KeySettings, {"WHALE_ENV_FILE": "/nowhere"})
