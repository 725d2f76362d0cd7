"""The Python clients' one core: when a call is tried again, and after how long."""

import pytest

from whale_loyalty._call import Answer, Call, NoAnswer
from whale_loyalty._operation import read
from whale_loyalty._settings import DEFAULT_BASE_URL, ApiKey, Settings
from whale_loyalty.errors import ConnectionFailed, TimedOut, Unavailable
from whale_loyalty.models import Program

BROKEN = NoAnswer(why="cut")


def call(*, draw: float = 1.0, base_url: str = "http://x", **changes: float) -> Call[Program]:
    settings = {"timeout_seconds": 20.0, "deadline_seconds": 60.0, "max_retries": 9, **changes}
    return Call(
        read("loyalty-programs/loy_1", Program),
        Settings(base_url=base_url, store="me", **settings),  # type: ignore[arg-type]
        ApiKey("wk_live_x"),
        now=100.0,
        draw=lambda: draw,
    )


def unavailable(of: Call[Program], **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return of.received(503, named, b'{"code": "unavailable"}')


@pytest.mark.parametrize(
    ("draw", "waits"),
    [(1.0, [0.25, 0.5, 1, 2, 4, 5, 5]), (0.5, [0.125, 0.25, 0.5, 1, 2, 2.5, 2.5]), (0.0, [0] * 7)],
)
def test_waits_double_up_to_a_bound_and_are_drawn_from_all_of_their_range(
    draw: float, waits: list[float]
) -> None:
    one = call(draw=draw)
    assert [one.after(BROKEN, now=100.0) for _ in waits] == waits


def test_what_the_server_asks_is_waited_and_jitter_comes_on_top() -> None:
    one = call()
    assert one.after(unavailable(one, retry_after="3"), now=100.0) == 3.25


@pytest.mark.parametrize(
    "asked",
    ["", "soon", "-1", "1.5", "9" * 5_000, "Mon, 01 Jan 2001 00:00:01 GMT", "Mon, 99 Jan 2001"],
)
def test_a_faulty_retry_after_asks_for_nothing(asked: str) -> None:
    one = call()
    assert one.after(unavailable(one, retry_after=asked), now=100.0) == 0.25


def test_a_wait_that_would_pass_the_deadline_ends_the_call() -> None:
    one = call(deadline_seconds=10.0)
    assert one.after(unavailable(one, retry_after="9"), now=100.0) == 9.25
    assert one.after(unavailable(one, retry_after="9"), now=109.3) is None
    with pytest.raises(Unavailable):
        one.result()


def test_an_attempt_has_its_time_or_what_is_left() -> None:
    one = call(timeout_seconds=20.0, deadline_seconds=30.0)
    assert [one.attempt_seconds(now) for now in (100.0, 115.0)] == [20.0, 15.0]
    assert one.attempt_seconds(500.0) > 0


def test_after_its_retries_a_call_ends_with_what_came_last() -> None:
    one = call(max_retries=1)
    assert one.after(unavailable(one), now=100.0) is not None
    assert one.after(BROKEN, now=100.0) is None
    with pytest.raises(ConnectionFailed, match="cut"):
        one.result()


def test_an_answer_ends_the_call() -> None:
    one = call()
    assert one.after(one.received(404, {}, b'{"code": "not_found"}'), now=100.0) is None


@pytest.mark.parametrize(("base_url", "hinted"), [(DEFAULT_BASE_URL, True), ("http://x", False)])
def test_the_address_is_told_and_that_another_can_be_given_where_none_was(
    base_url: str, hinted: bool
) -> None:
    one = call(base_url=base_url, max_retries=0)
    assert one.after(BROKEN, now=100.0) is None
    with pytest.raises(ConnectionFailed) as caught:
        one.result()
    assert f"GET {base_url}/v1/stores/me/loyalty-programs/loy_1" in caught.value.detail
    assert ("WHALE_BASE_URL" in caught.value.detail) is hinted


def test_an_answer_that_is_late_is_no_sign_of_another_address() -> None:
    one = call(base_url=DEFAULT_BASE_URL, max_retries=0)
    assert one.after(NoAnswer(why="late", timed_out=True), now=100.0) is None
    with pytest.raises(TimedOut) as caught:
        one.result()
    assert DEFAULT_BASE_URL in caught.value.detail
    assert "WHALE_BASE_URL" not in caught.value.detail
