"""The clients under network and server faults: one effect, one idempotency key, a clear error."""

import json
import uuid
from typing import Any

import pytest

from tests.clients.drivers import Driver, Failure, Outcome, Settings
from tests.clients.fault_server import (
    FaultServer,
    delayed,
    disconnect_after_effect,
    disconnect_before_effect,
    disconnect_mid_response,
    problem_response,
    raw_response,
    trickle,
)
from tools.stack.config import free_port

HTML = b"<html><body><h1>Bad gateway</h1></body></html>"


async def earn(client: Driver, server: FaultServer, **settings: Any) -> Outcome:
    options = Settings(server.url, **settings)
    return await client.call(options, "loyalty.earn", "cust_1", points=500, reason="Birthday bonus")


def assert_one_effect(server: FaultServer, outcome: Outcome, *, attempts: int) -> None:
    """The award happened once, every attempt sent the same request, and the caller has the result."""
    assert outcome.error is None, outcome.error
    assert len(server.requests) == attempts
    assert list(server.effects) == [server.requests[0].key]
    assert outcome.value["id"] == "txn_0"
    assert len({request.key for request in server.requests}) == 1
    assert len({request.headers["X-Request-Id"] for request in server.requests}) == 1
    assert {request.body for request in server.requests} == {server.requests[0].body}


def error_of(outcome: Outcome) -> Failure:
    assert outcome.error is not None, outcome.value
    assert "WhaleError" in outcome.error.kinds
    return outcome.error


@pytest.mark.parametrize(
    "behavior",
    [
        pytest.param(disconnect_before_effect, id="disconnected before the effect"),
        pytest.param(disconnect_after_effect, id="disconnected after the effect"),
        pytest.param(disconnect_mid_response, id="disconnected in the response"),
        pytest.param(problem_response(503, "unavailable", headers={"Retry-After": "0"}), id="503"),
        pytest.param(problem_response(429, "rate_limited"), id="429 without Retry-After"),
        pytest.param(
            problem_response(409, "idempotency_in_flight"), id="the first attempt is in progress"
        ),
        pytest.param(raw_response(502, HTML, media_type="text/html"), id="a proxy's 502"),
        pytest.param(raw_response(504, b"", media_type="text/plain"), id="a proxy's 504"),
    ],
)
async def test_a_write_is_retried_with_its_key_and_takes_effect_once(
    client: Driver, server: FaultServer, behavior: Any
) -> None:
    server.enqueue(behavior, behavior)
    assert_one_effect(server, await earn(client, server), attempts=3)
    assert uuid.UUID(server.requests[0].key)


async def test_a_slow_response_times_out_and_the_request_is_retried(
    client: Driver, server: FaultServer
) -> None:
    server.enqueue(delayed(600))
    outcome = await earn(client, server, timeout_seconds=2, deadline_seconds=60)
    assert_one_effect(server, outcome, attempts=2)


@pytest.mark.parametrize(
    "behavior", [delayed(600), trickle], ids=["no response", "a trickling body"]
)
async def test_a_call_without_a_response_ends_in_time(
    client: Driver, server: FaultServer, behavior: Any
) -> None:
    server.set_default(behavior)
    outcome = await earn(client, server, timeout_seconds=1, deadline_seconds=3)
    error = error_of(outcome)
    assert error.kinds[0] == "TimedOut"
    assert error.code == "timed_out"
    assert error.idempotency_key == server.requests[0].key
    assert outcome.seconds < 60
    assert len({request.key for request in server.requests}) == 1


async def test_the_deadline_cuts_an_attempt_short(client: Driver, server: FaultServer) -> None:
    server.set_default(delayed(600))
    outcome = await earn(client, server, timeout_seconds=120, deadline_seconds=1)
    assert error_of(outcome).kinds[0] == "TimedOut"
    assert outcome.seconds < 60


async def test_retry_after_is_respected(client: Driver, server: FaultServer) -> None:
    server.enqueue(problem_response(429, "rate_limited", headers={"Retry-After": "1"}))
    assert_one_effect(server, await earn(client, server), attempts=2)
    delay = server.requests[1].at - server.requests[0].at
    # As long as the server says, and as the back-off adds; on a busy machine the request takes longer.
    assert 1 <= delay < 15


async def test_retry_after_may_be_a_date_on_the_servers_clock(
    client: Driver, server: FaultServer
) -> None:
    times = {
        "Date": "Mon, 01 Jan 2001 00:00:00 GMT",
        "Retry-After": "Mon, 01 Jan 2001 00:00:01 GMT",
    }
    server.enqueue(problem_response(503, "unavailable", headers=times))
    assert_one_effect(server, await earn(client, server), attempts=2)
    assert server.requests[1].at - server.requests[0].at >= 1


async def test_a_retry_past_the_deadline_is_not_attempted(
    client: Driver, server: FaultServer
) -> None:
    server.set_default(problem_response(429, "rate_limited", headers={"Retry-After": "600"}))
    outcome = await earn(client, server, deadline_seconds=300)
    error = error_of(outcome)
    assert error.kinds[:2] == ["RateLimited", "ApiError"]
    assert (error.code, error.status) == ("rate_limited", 429)
    assert len(server.requests) == 1
    assert outcome.seconds < 60


async def test_the_number_of_retries_is_bounded(client: Driver, server: FaultServer) -> None:
    server.set_default(problem_response(503, "unavailable"))
    error = error_of(await earn(client, server, max_retries=2))
    assert error.kinds[0] == "Unavailable"
    assert len(server.requests) == 3


async def test_a_refused_connection_is_a_clear_error(client: Driver) -> None:
    settings = Settings(f"http://127.0.0.1:{free_port()}", max_retries=1)
    outcome = await client.call(settings, "loyalty.get", "cust_1")
    error = error_of(outcome)
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
async def test_each_error_code_has_its_class_and_members_and_is_not_retried(
    client: Driver,
    server: FaultServer,
    status: int,
    code: str,
    kind: str,
    members: dict[str, Any],
) -> None:
    server.enqueue(problem_response(status, code, **members))
    error = error_of(await earn(client, server))
    assert error.kinds[0] == kind
    assert "ApiError" in error.kinds
    assert (error.status, error.code) == (status, code)
    assert {name: error.members[name] for name in members} == members
    assert error.request_id == server.requests[0].headers["X-Request-Id"]
    assert "The request was refused." in error.message
    assert len(server.requests) == 1
    assert server.effects == {}


@pytest.mark.parametrize("code", ["reward_unavailable", "conflict", "insufficient_points"])
async def test_errors_of_business_rules_share_a_base_class(
    client: Driver, server: FaultServer, code: str
) -> None:
    server.enqueue(problem_response(409, code))
    assert "Refused" in error_of(await earn(client, server)).kinds


@pytest.mark.parametrize("code", ["brand_new", "constructor", "__proto__"])
async def test_an_unknown_code_is_an_api_error(
    client: Driver, server: FaultServer, code: str
) -> None:
    server.enqueue(problem_response(418, code))
    error = error_of(await earn(client, server))
    assert error.kinds[0] == "ApiError"
    assert (error.status, error.code) == (418, code)


@pytest.mark.parametrize(
    ("behavior", "quoted"),
    [
        pytest.param(raw_response(201, b'{"id": '), "application/json", id="broken JSON"),
        pytest.param(
            raw_response(200, HTML, media_type="text/html"),
            "Bad gateway",
            id="a page instead of JSON",
        ),
        pytest.param(raw_response(200, b'"fine"'), "fine", id="JSON of another type"),
        pytest.param(raw_response(200, b"\xff\xfe{}"), "application/json", id="not text"),
        pytest.param(
            raw_response(500, HTML, media_type="text/html"), "Bad gateway", id="an error page"
        ),
        pytest.param(raw_response(404, b'{"message": "x"}'), "message", id="another API's error"),
        pytest.param(raw_response(400, b"[" * 9_000), "[[[", id="deep JSON"),
        pytest.param(raw_response(500, b""), "application/json", id="an empty body"),
        pytest.param(raw_response(302, b"", Location="/elsewhere"), "", id="a redirect"),
    ],
)
async def test_an_unexpected_response_is_quoted_in_the_error(
    client: Driver, server: FaultServer, behavior: Any, quoted: str
) -> None:
    server.enqueue(behavior)
    error = error_of(await earn(client, server))
    assert error.kinds[:2] == ["UnexpectedAnswer", "ApiError"]
    assert error.code == "unexpected_answer"
    assert isinstance(error.status, int)
    assert error.idempotency_key == server.requests[0].key
    assert quoted in error.message
    assert len(error.message) < 600
    assert len(server.requests) == 1


async def test_a_callers_own_key_is_sent(client: Driver, server: FaultServer) -> None:
    server.enqueue(disconnect_after_effect)
    outcome = await client.call(
        Settings(server.url),
        *("loyalty.earn", "cust_1"),
        points=500,
        reason="Birthday bonus",
        idempotency_key="birthday-2026 cust_1",
    )
    assert_one_effect(server, outcome, attempts=2)
    assert server.requests[0].key == "birthday-2026 cust_1"


async def test_two_writes_have_two_keys(client: Driver, server: FaultServer) -> None:
    await earn(client, server)
    await earn(client, server)
    assert len(server.effects) == 2


async def test_a_read_has_no_key(client: Driver, server: FaultServer) -> None:
    server.enqueue(problem_response(404, "not_found"))
    await client.call(Settings(server.url), "loyalty.get", "cust_1")
    assert server.requests[0].key is None


@pytest.mark.parametrize("customer", ["a/b", "a?b", "a#b", "ü b", "a%2Fb", "a|b"])
async def test_an_id_is_one_path_segment_whatever_its_characters(
    client: Driver, server: FaultServer, customer: str
) -> None:
    server.enqueue(problem_response(404, "not_found"))
    await client.call(Settings(server.url), "loyalty.get", customer)
    assert server.requests[0].path.count("/") == "/v1/stores/me/loyalty/customers/x".count("/")
    assert "?" not in server.requests[0].path


async def test_an_order_is_sent_as_a_cloud_event_and_retried_unchanged(
    client: Driver, server: FaultServer
) -> None:
    accepted = raw_response(202, b'{"data": [{"id": "evt", "status": 202}]}')
    server.enqueue(disconnect_before_effect, accepted)
    order = {
        "order_id": "o1",
        "customer_id": "cust_1",
        "total": "50.00",
        "currency": "USD",
        "completed_at": "2026-03-10T12:00:00Z",
    }
    outcome = await client.call(Settings(server.url), "events.order_completed", **order)
    assert outcome.value == {"data": [{"id": "evt", "status": 202}]}
    first, second = server.requests
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


async def test_events_in_a_batch_have_unique_ids(client: Driver, server: FaultServer) -> None:
    server.enqueue(raw_response(202, b'{"data": []}'))
    events = [{"type": "order.refunded", "data": {"order_id": "o1"}, "id": "mine"}] + [
        {"type": "order.refunded", "data": {"order_id": "o2"}}
    ] * 2
    await client.call(Settings(server.url), "events.send_batch", events)
    assert server.requests[0].headers["Content-Type"] == "application/cloudevents-batch+json"
    sent = json.loads(server.requests[0].body)
    assert sent[0]["id"] == "mine"
    assert len({event["id"] for event in sent}) == 3
