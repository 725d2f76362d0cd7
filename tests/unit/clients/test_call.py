"""The core of both Python clients: which attempts are retried, and after which delay."""

import pytest

from whale_loyalty._call import Call, NoResponse, Response
from whale_loyalty._operation import read
from whale_loyalty._settings import DEFAULT_BASE_URL, ApiKey, Settings
from whale_loyalty.errors import ConnectionFailed, TimedOut, Unavailable
from whale_loyalty.models import Program

BROKEN = NoResponse(reason="cut")


def new_call(*, jitter: float = 1.0, base_url: str = "http://x", **changes: float) -> Call[Program]:
    settings = {"timeout_seconds": 20.0, "deadline_seconds": 60.0, "max_retries": 9, **changes}
    return Call(
        read("loyalty-programs/loy_1", Program),
        Settings(base_url=base_url, store="me", **settings),  # type: ignore[arg-type]
        ApiKey("wk_live_x"),
        now=100.0,
        jitter=lambda: jitter,
    )


def unavailable(call: Call[Program], **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call.redacted_response(503, named, b'{"code": "unavailable"}')


@pytest.mark.parametrize(
    ("jitter", "delays"),
    [(1.0, [0.25, 0.5, 1, 2, 4, 5, 5]), (0.5, [0.125, 0.25, 0.5, 1, 2, 2.5, 2.5]), (0.0, [0] * 7)],
)
def test_delays_double_up_to_a_bound_and_are_drawn_from_their_whole_range(
    jitter: float, delays: list[float]
) -> None:
    call = new_call(jitter=jitter)
    assert [call.record(BROKEN, now=100.0) for _ in delays] == delays


def test_retry_after_is_added_to_the_jittered_delay() -> None:
    call = new_call()
    assert call.record(unavailable(call, retry_after="3"), now=100.0) == 3.25


@pytest.mark.parametrize(
    "retry_after",
    ["", "soon", "-1", "1.5", "9" * 5_000, "Mon, 01 Jan 2001 00:00:01 GMT", "Mon, 99 Jan 2001"],
)
def test_an_invalid_retry_after_is_ignored(retry_after: str) -> None:
    call = new_call()
    assert call.record(unavailable(call, retry_after=retry_after), now=100.0) == 0.25


def test_a_delay_past_the_deadline_ends_the_call() -> None:
    call = new_call(deadline_seconds=10.0)
    assert call.record(unavailable(call, retry_after="9"), now=100.0) == 9.25
    assert call.record(unavailable(call, retry_after="9"), now=109.3) is None
    with pytest.raises(Unavailable):
        call.result()


def test_an_attempt_is_limited_by_its_timeout_and_by_the_deadline() -> None:
    call = new_call(timeout_seconds=20.0, deadline_seconds=30.0)
    assert [call.attempt_timeout_seconds(now) for now in (100.0, 115.0)] == [20.0, 15.0]
    assert call.attempt_timeout_seconds(500.0) > 0


def test_after_its_retries_a_call_ends_with_the_last_outcome() -> None:
    call = new_call(max_retries=1)
    assert call.record(unavailable(call), now=100.0) is not None
    assert call.record(BROKEN, now=100.0) is None
    with pytest.raises(ConnectionFailed, match="cut"):
        call.result()


def test_a_final_response_ends_the_call() -> None:
    call = new_call()
    assert call.record(call.redacted_response(404, {}, b'{"code": "not_found"}'), now=100.0) is None


@pytest.mark.parametrize(("base_url", "has_hint"), [(DEFAULT_BASE_URL, True), ("http://x", False)])
def test_the_error_names_the_address_and_how_to_change_the_default(
    base_url: str, has_hint: bool
) -> None:
    call = new_call(base_url=base_url, max_retries=0)
    assert call.record(BROKEN, now=100.0) is None
    with pytest.raises(ConnectionFailed) as caught:
        call.result()
    assert f"GET {base_url}/v1/stores/me/loyalty-programs/loy_1" in caught.value.detail
    assert ("WHALE_BASE_URL" in caught.value.detail) is has_hint


def test_a_timeout_has_no_hint_about_the_address() -> None:
    call = new_call(base_url=DEFAULT_BASE_URL, max_retries=0)
    assert call.record(NoResponse(reason="late", timed_out=True), now=100.0) is None
    with pytest.raises(TimedOut) as caught:
        call.result()
    assert DEFAULT_BASE_URL in caught.value.detail
    assert "WHALE_BASE_URL" not in caught.value.detail
