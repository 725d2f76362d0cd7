"""What a client does when the network or the server misbehaves: one effect, one key, a clear error."""

import json
import uuid
from typing import Any

import pytest

from tests.clients.drivers import Driver, Failure, Outcome, Settings
from tests.clients.misbehaving import (
    Misbehaving,
    cut_after,
    cut_before,
    drip,
    half,
    raw,
    refuse,
    slow,
)
from tools.stack.config import free_port

HTML = b"<html><body><h1>Bad gateway</h1></body></html>"


async def earn(client: Driver, server: Misbehaving, **settings: Any) -> Outcome:
    asked = Settings(server.url, **settings)
    return await client.call(asked, "loyalty.earn", "cust_1", points=500, reason="Birthday bonus")


def assert_one_effect(server: Misbehaving, outcome: Outcome, *, attempts: int) -> None:
    """It happened once, every attempt was the same, and the caller has the answer."""
    assert outcome.error is None, outcome.error
    assert len(server.seen) == attempts
    assert list(server.effects) == [server.seen[0].key]
    assert outcome.value["id"] == "txn_0"
    assert len({one.key for one in server.seen}) == 1
    assert len({one.headers["X-Request-Id"] for one in server.seen}) == 1
    assert {one.body for one in server.seen} == {server.seen[0].body}


def refused(outcome: Outcome) -> Failure:
    assert outcome.error is not None, outcome.value
    assert "WhaleError" in outcome.error.kinds
    return outcome.error


@pytest.mark.parametrize(
    "manner",
    [
        pytest.param(cut_before, id="cut before the effect"),
        pytest.param(cut_after, id="cut after the effect"),
        pytest.param(half, id="cut in the answer"),
        pytest.param(refuse(503, "unavailable", headers={"Retry-After": "0"}), id="503"),
        pytest.param(refuse(429, "rate_limited"), id="429 that says no time"),
        pytest.param(refuse(409, "idempotency_in_flight"), id="the first still runs"),
        pytest.param(raw(502, HTML, kind="text/html"), id="a proxy's 502"),
        pytest.param(raw(504, b"", kind="text/plain"), id="a proxy's 504"),
    ],
)
async def test_a_write_is_tried_again_with_its_key_and_acts_once(
    client: Driver, server: Misbehaving, manner: Any
) -> None:
    server.will(manner, manner)
    assert_one_effect(server, await earn(client, server), attempts=3)
    assert uuid.UUID(server.seen[0].key)


async def test_a_slow_answer_is_given_up_and_asked_for_again(
    client: Driver, server: Misbehaving
) -> None:
    server.will(slow(3))
    outcome = await earn(client, server, timeout_seconds=0.5)
    assert_one_effect(server, outcome, attempts=2)
    assert outcome.seconds < 2.5


@pytest.mark.parametrize("manner", [slow(30), drip], ids=["silence", "drops"])
async def test_a_call_that_is_never_answered_ends_in_time(
    client: Driver, server: Misbehaving, manner: Any
) -> None:
    server.always(manner)
    outcome = await earn(client, server, timeout_seconds=0.4, deadline_seconds=1.2)
    error = refused(outcome)
    assert error.kinds[0] == "TimedOut"
    assert error.code == "timed_out"
    assert error.idempotency_key == server.seen[0].key
    assert outcome.seconds < 2.5
    assert len({one.key for one in server.seen}) == 1


async def test_the_deadline_cuts_an_attempt_short(client: Driver, server: Misbehaving) -> None:
    server.always(slow(30))
    outcome = await earn(client, server, timeout_seconds=30, deadline_seconds=0.5)
    assert refused(outcome).kinds[0] == "TimedOut"
    assert outcome.seconds < 2


async def test_retry_after_is_honoured(client: Driver, server: Misbehaving) -> None:
    server.will(refuse(429, "rate_limited", headers={"Retry-After": "1"}))
    assert_one_effect(server, await earn(client, server), attempts=2)
    waited = server.seen[1].at - server.seen[0].at
    assert 1 <= waited < 2.5


async def test_retry_after_may_be_a_date_by_the_servers_own_clock(
    client: Driver, server: Misbehaving
) -> None:
    times = {
        "Date": "Mon, 01 Jan 2001 00:00:00 GMT",
        "Retry-After": "Mon, 01 Jan 2001 00:00:01 GMT",
    }
    server.will(refuse(503, "unavailable", headers=times))
    assert_one_effect(server, await earn(client, server), attempts=2)
    assert server.seen[1].at - server.seen[0].at >= 1


async def test_a_wait_beyond_the_deadline_is_not_begun(client: Driver, server: Misbehaving) -> None:
    server.always(refuse(429, "rate_limited", headers={"Retry-After": "60"}))
    outcome = await earn(client, server)
    error = refused(outcome)
    assert error.kinds[:2] == ["RateLimited", "ApiError"]
    assert (error.code, error.status) == ("rate_limited", 429)
    assert len(server.seen) == 1
    assert outcome.seconds < 2


async def test_the_number_of_attempts_is_bounded(client: Driver, server: Misbehaving) -> None:
    server.always(refuse(503, "unavailable"))
    error = refused(await earn(client, server, max_retries=2))
    assert error.kinds[0] == "Unavailable"
    assert len(server.seen) == 3


async def test_nobody_there_is_a_clear_error(client: Driver) -> None:
    settings = Settings(f"http://127.0.0.1:{free_port()}", max_retries=1)
    outcome = await client.call(settings, "loyalty.get", "cust_1")
    error = refused(outcome)
    assert error.kinds[0] == "ConnectionFailed"
    assert error.code == "connection_failed"
    assert error.request_id
    assert error.request_id in error.message
    assert f"GET {settings.base_url}/v1/stores/me/loyalty/customers/cust_1" in error.message
    assert "attempts: 2" in error.message
    assert "WHALE_BASE_URL" not in error.message


@pytest.mark.parametrize(
    ("status", "code", "kind", "members"),
    [
        (401, "unauthenticated", "Unauthenticated", {}),
        (403, "insufficient_scope", "InsufficientScope", {"required": "earn"}),
        (404, "not_found", "NotFound", {}),
        (405, "method_not_allowed", "MethodNotAllowed", {}),
        (413, "too_large", "TooLarge", {}),
        (415, "unsupported_media_type", "UnsupportedMediaType", {}),
        (
            400,
            "invalid_request",
            "InvalidRequest",
            {"errors": [{"pointer": "#/points", "detail": "1 or more"}]},
        ),
        (422, "idempotency_key_reused", "IdempotencyKeyReused", {}),
        (409, "reward_unavailable", "RewardUnavailable", {"reason": "ended"}),
        (409, "conflict", "Conflict", {}),
        (409, "program_inactive", "ProgramInactive", {}),
        (409, "account_suspended", "AccountSuspended", {}),
        (
            409,
            "insufficient_points",
            "InsufficientPoints",
            {"balance": 300, "required": 500, "missing": 200},
        ),
        (500, "internal_error", "InternalError", {}),
    ],
)
async def test_a_refusal_is_an_error_of_its_own_with_its_members_and_is_not_repeated(
    client: Driver,
    server: Misbehaving,
    status: int,
    code: str,
    kind: str,
    members: dict[str, Any],
) -> None:
    server.will(refuse(status, code, **members))
    error = refused(await earn(client, server))
    assert error.kinds[0] == kind
    assert "ApiError" in error.kinds
    assert (error.status, error.code) == (status, code)
    assert {name: error.members[name] for name in members} == members
    assert error.request_id == server.seen[0].headers["X-Request-Id"]
    assert "It cannot be." in error.message
    assert len(server.seen) == 1
    assert server.effects == {}


@pytest.mark.parametrize("code", ["reward_unavailable", "conflict", "insufficient_points"])
async def test_rules_that_forbid_it_can_be_caught_together(
    client: Driver, server: Misbehaving, code: str
) -> None:
    server.will(refuse(409, code))
    assert "Refused" in refused(await earn(client, server)).kinds


@pytest.mark.parametrize("code", ["brand_new", "constructor", "__proto__"])
async def test_a_code_that_the_client_does_not_know_is_an_api_error(
    client: Driver, server: Misbehaving, code: str
) -> None:
    server.will(refuse(418, code))
    error = refused(await earn(client, server))
    assert error.kinds[0] == "ApiError"
    assert (error.status, error.code) == (418, code)


@pytest.mark.parametrize(
    ("manner", "told"),
    [
        pytest.param(raw(201, b'{"id": '), "application/json", id="broken JSON"),
        pytest.param(raw(200, HTML, kind="text/html"), "Bad gateway", id="a page instead of JSON"),
        pytest.param(raw(200, b'"fine"'), "fine", id="JSON of another kind"),
        pytest.param(raw(200, b"\xff\xfe{}"), "application/json", id="no text"),
        pytest.param(raw(500, HTML, kind="text/html"), "Bad gateway", id="an error page"),
        pytest.param(raw(404, b'{"message": "x"}'), "message", id="another API's error"),
        pytest.param(raw(400, b"[" * 9_000), "[[[", id="deep JSON"),
        pytest.param(raw(500, b""), "application/json", id="nothing"),
        pytest.param(raw(302, b"", Location="/elsewhere"), "", id="a redirect"),
    ],
)
async def test_what_is_no_answer_of_the_api_is_told_as_it_came(
    client: Driver, server: Misbehaving, manner: Any, told: str
) -> None:
    server.will(manner)
    error = refused(await earn(client, server))
    assert error.kinds[:2] == ["UnexpectedAnswer", "ApiError"]
    assert error.code == "unexpected_answer"
    assert isinstance(error.status, int)
    assert error.idempotency_key == server.seen[0].key
    assert told in error.message
    assert len(error.message) < 600
    assert len(server.seen) == 1


async def test_a_callers_own_key_is_sent(client: Driver, server: Misbehaving) -> None:
    server.will(cut_after)
    outcome = await client.call(
        Settings(server.url),
        *("loyalty.earn", "cust_1"),
        points=500,
        reason="Birthday bonus",
        idempotency_key="birthday-2026 cust_1",
    )
    assert_one_effect(server, outcome, attempts=2)
    assert server.seen[0].key == "birthday-2026 cust_1"


async def test_two_writes_have_two_keys(client: Driver, server: Misbehaving) -> None:
    await earn(client, server)
    await earn(client, server)
    assert len(server.effects) == 2


async def test_a_read_has_no_key(client: Driver, server: Misbehaving) -> None:
    server.will(refuse(404, "not_found"))
    await client.call(Settings(server.url), "loyalty.get", "cust_1")
    assert server.seen[0].key is None


@pytest.mark.parametrize("customer", ["a/b", "a?b", "a#b", "ü b", "a%2Fb", "a|b"])
async def test_an_id_is_one_segment_of_the_path_whatever_is_in_it(
    client: Driver, server: Misbehaving, customer: str
) -> None:
    server.will(refuse(404, "not_found"))
    await client.call(Settings(server.url), "loyalty.get", customer)
    assert server.seen[0].path.count("/") == "/v1/stores/me/loyalty/customers/x".count("/")
    assert "?" not in server.seen[0].path


async def test_an_order_is_sent_as_a_cloud_event_and_as_the_same_one_again(
    client: Driver, server: Misbehaving
) -> None:
    taken = raw(202, b'{"data": [{"id": "evt", "status": 202}]}')
    server.will(cut_before, taken)
    order = {
        "order_id": "o1",
        "customer_id": "cust_1",
        "total": "50.00",
        "currency": "USD",
        "completed_at": "2026-03-10T12:00:00Z",
    }
    outcome = await client.call(Settings(server.url), "events.order_completed", **order)
    assert outcome.value == {"data": [{"id": "evt", "status": 202}]}
    first, second = server.seen
    assert first.path == "/v1/stores/me/events"
    assert first.headers["Content-Type"] == "application/cloudevents+json"
    assert (first.key, first.body) == (second.key, second.body)
    event = json.loads(first.body)
    assert event["specversion"] == "1.0"
    assert event["type"] == "order.completed"
    assert event["source"] == client.source
    assert uuid.UUID(event["id"])
    assert event["time"].endswith("Z")
    assert event["data"] == order


async def test_events_go_together_with_ids_of_their_own(
    client: Driver, server: Misbehaving
) -> None:
    server.will(raw(202, b'{"data": []}'))
    events = [{"type": "order.refunded", "data": {"order_id": "o1"}, "id": "mine"}] + [
        {"type": "order.refunded", "data": {"order_id": "o2"}}
    ] * 2
    await client.call(Settings(server.url), "events.send_batch", events)
    assert server.seen[0].headers["Content-Type"] == "application/cloudevents-batch+json"
    sent = json.loads(server.seen[0].body)
    assert sent[0]["id"] == "mine"
    assert len({event["id"] for event in sent}) == 3
