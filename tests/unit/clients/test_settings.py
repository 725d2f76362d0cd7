"""The Python clients' settings, and the completeness of their errors."""

import re
from typing import Any

import msgspec
import pytest

from libs.web.problems import PROBLEMS
from whale_loyalty import WhaleClient, errors, models
from whale_loyalty.errors import BY_CODE, ApiError, ConfigurationError, WhaleError


def test_the_key_and_the_address_default_to_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHALE_API_KEY", "wk_live_x")
    monkeypatch.setenv("WHALE_BASE_URL", "https://points.example/")
    with WhaleClient() as whale:
        assert repr(whale) == "WhaleClient(base_url='https://points.example', store='me')"


def test_a_client_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHALE_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="WHALE_API_KEY"):
        WhaleClient()


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "ftp://x"},
        {"base_url": "http://"},
        {"base_url": "http://x:99999"},
        {"base_url": "http://user:secret@x"},
        {"base_url": "http://x/?a=secret"},
        {"base_url": "points.example"},
        {"store": "a/b"},
        {"store": ""},
        {"timeout_seconds": 0},
        {"timeout_seconds": float("inf")},
        {"deadline_seconds": -1},
        {"deadline_seconds": float("nan")},
        {"max_retries": -1},
    ],
)
def test_invalid_settings_are_refused_without_quoting_secrets(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        WhaleClient("wk_live_x", **settings)
    assert "secret" not in str(caught.value)


def test_the_drawn_tree_has_every_error_class() -> None:
    classes = {member for member in vars(errors).values() if isinstance(member, type)}
    names = {cls.__name__ for cls in classes if issubclass(cls, WhaleError)}
    assert len(names) > len(BY_CODE)
    assert names <= set(re.findall(r"[A-Z]\w+", str(errors.__doc__)))


def test_every_error_code_of_the_service_has_a_class() -> None:
    assert set(BY_CODE) == set(PROBLEMS)
    assert all(issubclass(cls, ApiError) for cls in BY_CODE.values())


def test_an_unknown_member_of_a_response_is_ignored() -> None:
    decoded = msgspec.json.decode(
        b'{"id": "rwd_1", "name": "x", "new": [1]}', type=models.RewardRef
    )
    assert decoded == models.RewardRef(id="rwd_1", name="x")
