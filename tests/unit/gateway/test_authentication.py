"""The errors of a caller without a usable key."""

import pytest

from libs.kernel.errors import Unauthenticated
from services.gateway.domain import DEMO_KEY, is_key, make_key
from services.gateway.handlers.authentication import sent_key
from tests.unit.gateway.api_keys import random_key

NONE = "No API key was sent."
NO_BEARER = "The Authorization header does not begin with `Bearer`."
NO_KEY = "The value in the Authorization header is not an API key."


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, NONE, id="no header"),
        pytest.param(b"", NONE, id="an empty header"),
        pytest.param(b"Bearer", NONE, id="the scheme alone"),
        pytest.param(b"Bearer  ", NONE, id="a blank key"),
        pytest.param(DEMO_KEY.encode(), NO_BEARER, id="a bare key"),
        pytest.param(b"Basic YTpi", NO_BEARER, id="another scheme"),
        pytest.param(b"Bearer abc", NO_KEY, id="anything"),
        pytest.param(b"Bearer " + random_key().encode()[:20], NO_KEY, id="a truncated key"),
        pytest.param(b"Bearer sk_live_" + b"x" * 43, NO_KEY, id="the key of another API"),
        pytest.param(b"Bearer wk_test_\xff" + b"x" * 42, NO_KEY, id="no ASCII"),
    ],
)
def test_each_way_to_send_no_key_has_its_own_error(header: bytes | None, expected: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        sent_key(set() if header is None else {header})
    assert caught.value.detail.startswith(expected)


def test_two_different_headers_are_an_error_of_their_own() -> None:
    with pytest.raises(Unauthenticated) as caught:
        sent_key({f"Bearer {random_key()}".encode() for _ in range(2)})
    assert caught.value.detail == (
        "There are 2 different Authorization headers. Send one, with the API key that this request is for."
    )


def test_the_value_that_was_sent_is_not_repeated() -> None:
    with pytest.raises(Unauthenticated) as caught:
        sent_key({b"Bearer a-password-of-something-else"})
    assert "password" not in caught.value.detail


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_a_key_is_read_whatever_the_case_of_the_scheme(scheme: bytes) -> None:
    key = random_key()
    assert sent_key({scheme + key.encode()}) == key


def test_a_key_is_made_of_its_random_bytes_and_says_which_mode_it_is_for() -> None:
    assert make_key(bytes(32), "test") == "wk_test_" + "A" * 43
    assert make_key(bytes(32)) == "wk_live_" + "A" * 43
    assert len({random_key() for _ in range(100)}) == 100
    assert is_key(random_key())
