"""Invalid settings are reported at startup by the names of their variables, without values."""

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
