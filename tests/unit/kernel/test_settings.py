"""Settings are refused at the start, each by its variable's name, and never by its value."""

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
def test_a_secret_that_can_be_guessed_is_refused(kind: Any) -> None:
    for secret in ("x", "hunter2", "s" * 31):
        given = {"WHALE_INTERNAL_TOKEN": secret, "WHALE_KEY_SECRET": secret}
        with pytest.raises(SettingsError) as refused:
            load(kind, given)
        named = [
            name for name in given if f"{name} is too short for a secret" in str(refused.value)
        ]
        assert named
        assert named == [name for name in given if hasattr(kind, name[6:].lower())]
        assert "hunter2" not in str(refused.value)
    with pytest.raises(SettingsError) as refused:
        load(kind, dict.fromkeys(given, "s" * 32))
    assert "too short" not in str(refused.value)
