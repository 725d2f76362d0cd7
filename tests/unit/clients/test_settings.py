"""What the Python clients take from their arguments and the environment."""

import re
from typing import Any

import msgspec
import pytest

from libs.web.problems import PROBLEMS
from whale_loyalty import WhaleClient, errors, models
from whale_loyalty.errors import BY_CODE, ApiError, ConfigurationError, WhaleError


def test_the_key_and_the_address_may_stand_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHALE_API_KEY", "wk_live_x")
    monkeypatch.setenv("WHALE_BASE_URL", "https://points.example/")
    with WhaleClient() as whale:
        assert repr(whale) == "WhaleClient(base_url='https://points.example', store='me')"


def test_without_a_key_there_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHALE_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="WHALE_API_KEY"):
        WhaleClient()


@pytest.mark.parametrize(
    "faulty",
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
def test_settings_that_cannot_be_are_refused_and_secrets_not_repeated(
    faulty: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        WhaleClient("wk_live_x", **faulty)
    assert "secret" not in str(caught.value)


def test_every_class_of_error_is_in_the_tree_that_is_drawn() -> None:
    kinds = {one for one in vars(errors).values() if isinstance(one, type)}
    names = {kind.__name__ for kind in kinds if issubclass(kind, WhaleError)}
    assert len(names) > len(BY_CODE)
    assert names <= set(re.findall(r"[A-Z]\w+", str(errors.__doc__)))


def test_every_code_of_the_service_has_its_class() -> None:
    assert set(BY_CODE) == set(PROBLEMS)
    assert all(issubclass(kind, ApiError) for kind in BY_CODE.values())


def test_what_the_client_does_not_know_is_passed_over() -> None:
    read = msgspec.json.decode(b'{"id": "rwd_1", "name": "x", "new": [1]}', type=models.RewardRef)
    assert read == models.RewardRef(id="rwd_1", name="x")
