"""Shop events over REST, for shops without Kafka."""

import json
import time

import pytest

from libs.testing.eventually import eventually
from tests.contract.test_request_checks import assert_problem, pointers
from tests.support import ApiResponse, Shop

ONE = {"Content-Type": "application/cloudevents+json"}
MANY = {"Content-Type": "application/cloudevents-batch+json"}


def envelope(event_id: str, data: object, **changes: object) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/shops/test",
        "type": "order.completed",
        "time": "2026-03-10T12:00:01Z",
        "data": data,
        **changes,
    }


def bare(order: dict[str, object]) -> dict[str, object]:
    """The event without its store."""
    return {name: value for name, value in order.items() if name != "store_id"}


async def send(shop: Shop, body: object, **headers: str) -> ApiResponse:
    return await shop.call("POST", "events", body, headers={**ONE, **headers})


async def send_all(shop: Shop, body: object, **headers: str) -> ApiResponse:
    return await shop.call("POST", "events", body, headers={**MANY, **headers})


async def test_an_order_over_rest_earns_and_is_published_to_its_topic(shop: Shop) -> None:
    await shop.program()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    event = envelope("evt-1", bare(shop.order("o1", order_number="1042")))
    response = await send(shop, event, traceparent=trace)
    assert response.status == 202, response.raw
    assert response.json == {"data": [{"id": "evt-1", "status": 202}]}
    status = await shop.balance_becomes(500)
    assert status["transactions"][0]["reason"] == "Order #1042"
    ((order, headers),) = await shop.read_events("order.completed", count=1)
    assert order == shop.order("o1", order_number="1042")
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": "evt-1",
        "ce_type": "order.completed",
        "ce_source": "/shops/test",
        "ce_time": "2026-03-10T12:00:01Z",
        "ce_dataschema": "/events/order.completed/v1",
        "content-type": "application/json",
        "traceparent": trace,
    }


async def test_an_envelope_may_be_sent_as_plain_json(shop: Shop) -> None:
    await shop.program()
    response = await shop.call("POST", "events", envelope("evt-1", shop.order("o1")))
    assert response.status == 202, response.raw
    await shop.balance_becomes(500)


async def test_a_refund_over_rest_claws_points_back(shop: Shop) -> None:
    await shop.program()
    refund = {
        "order_id": "o1",
        "customer_id": "cust_1",
        "refund_id": "r1",
        "amount": 20.5,
        "refunded_at": "2026-03-11T12:00:00+02:00",
    }
    events = [
        envelope("evt-1", shop.order("o1")),
        envelope("evt-2", refund, type="order.refunded"),
    ]
    response = await send_all(shop, events)
    assert [one["status"] for one in response.json["data"]] == [202, 202]
    await shop.balance_becomes(500 - 205)


async def test_an_order_sent_again_counts_once(shop: Shop) -> None:
    await shop.program()
    for event_id in ("evt-1", "evt-1", "evt-2"):
        assert (await send(shop, envelope(event_id, shop.order("o1")))).status == 202
    assert (await send(shop, envelope("evt-3", shop.order("o2")))).status == 202
    await shop.balance_becomes(1_000)


async def test_a_batch_has_a_verdict_for_each_event_in_order(shop: Shop) -> None:
    await shop.program()
    events = [
        envelope("evt-0", shop.order("o0")),
        envelope("evt-1", shop.order("o1", total="-1")),
        envelope("evt-2", shop.order("o2"), type="order.shipped"),
        "no event",
        envelope("evt-4", {**shop.order("o4"), "store_id": "store_other"}),
        envelope("evt-5", shop.order("o5")),
    ]
    response = await send_all(shop, events)
    assert response.status == 202, response.raw
    verdicts = response.json["data"]
    assert [one["id"] for one in verdicts] == ["evt-0", "evt-1", "evt-2", None, "evt-4", "evt-5"]
    assert [one["status"] for one in verdicts] == [202, 400, 400, 400, 400, 202]
    places = [one["problem"]["errors"][0]["pointer"] for one in verdicts if "problem" in one]
    assert places == ["#/1/data/total", "#/2/type", "#/3", "#/4/data/store_id"]
    assert verdicts[1]["problem"]["code"] == "invalid_request"
    await shop.balance_becomes(1_000)


async def test_a_batch_of_five_hundred_events_posts_in_order(shop: Shop) -> None:
    await shop.program(tiers=[])
    events = [
        envelope(f"evt-{n}", shop.order(f"o{n}", order_number=n, total="0.10")) for n in range(500)
    ]
    response = await send_all(shop, events)
    assert [one["id"] for one in response.json["data"]] == [f"evt-{n}" for n in range(500)]
    status = await shop.balance_becomes(500)
    newest = [one["reason"] for one in status["transactions"]]
    assert newest == [f"Order #{n}" for n in range(499, 489, -1)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="empty"),
        pytest.param({"specversion": "1.0"}, id="no list"),
        pytest.param(b"[1,", id="no JSON"),
        pytest.param([{}] * 501, id="over 500"),
    ],
)
async def test_a_batch_with_an_invalid_envelope_is_refused_as_a_whole(
    shop: Shop, body: object
) -> None:
    response = await send_all(shop, body)
    assert_problem(response, 400, "invalid_request")
    assert pointers(response) == ["#"]


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        pytest.param({"specversion": "0.3"}, ["#/specversion"], id="another version"),
        pytest.param({"type": "order.shipped"}, ["#/type"], id="another type"),
        pytest.param({"data": None}, ["#/data"], id="no value"),
        pytest.param(
            {"data": {}},
            [f"#/data/{name}" for name in ("order_id", "total", "currency", "completed_at")],
            id="an empty value",
        ),
        pytest.param(
            {"id": "", "source": " ", "time": "yesterday", "dataschema": "/events/x/v2"},
            ["#/id", "#/source", "#/time", "#/dataschema"],
            id="every attribute of the envelope",
        ),
        pytest.param({"datacontenttype": "text/xml"}, ["#/datacontenttype"], id="no JSON inside"),
    ],
)
async def test_an_invalid_event_is_400_with_the_place_of_each_fault(
    shop: Shop, changes: dict[str, object], faults: list[str]
) -> None:
    response = await send(shop, {**envelope("evt-1", shop.order("o1")), **changes})
    assert_problem(response, 400, "invalid_request")
    assert pointers(response) == faults


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("store_id", "store_other"),
        ("store_id", None),
        ("customer_id", "a b"),
        ("order_id", ""),
        ("total", "much"),
        ("total", -0.01),
        ("total", "0.0000001"),
        ("currency", "usd"),
        ("completed_at", "2026-03-10T12:00:00"),
        ("completed_at", "1969-12-31T23:59:59Z"),
        ("program_id", "\n"),
    ],
)
async def test_an_order_has_the_same_bounds_as_on_kafka(
    shop: Shop, field: str, value: object
) -> None:
    response = await send(shop, envelope("evt-1", shop.order("o1", **{field: value})))
    assert_problem(response, 400, "invalid_request")
    assert pointers(response) == [f"#/data/{field}"]
    assert await shop.status() is None


async def test_a_key_returns_the_same_response_and_belongs_to_one_request(shop: Shop) -> None:
    await shop.program()
    events = [envelope("evt-1", shop.order("o1")), 7]
    first = await send_all(shop, events, **{"Idempotency-Key": "monday"})
    again = await send_all(shop, events, **{"Idempotency-Key": "monday"})
    assert "Idempotency-Hit" not in first.headers
    assert (again.status, again.raw) == (202, first.raw)
    assert again.headers["Idempotency-Hit"] == "true"
    others = [envelope("evt-2", shop.order("o2"))]
    other = await send_all(shop, others, **{"Idempotency-Key": "monday"})
    assert_problem(other, 422, "idempotency_key_reused")
    await send(shop, envelope("evt-3", shop.order("o3", order_number="3")))

    # Events are posted in the order of publication: the second request has published nothing.
    status = await shop.balance_becomes(1_000)
    assert [one["reason"] for one in status["transactions"]] == ["Order #3", "Order o1"]


@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_the_scope_and_the_media_type_are_checked(shop: Shop) -> None:
    read_key = await shop.stack.key(shop.store_id, scopes="read,manage")
    event = json.dumps(envelope("evt-1", shop.order("o1"))).encode()
    refused = await shop.call("POST", "events", event, headers=ONE, key=read_key)
    assert_problem(refused, 403, "insufficient_scope")
    plain = await send(shop, event, **{"Content-Type": "text/plain"})
    assert_problem(plain, 415, "unsupported_media_type")
    other_route = await shop.call("POST", "loyalty/earn", event, headers=ONE)
    assert_problem(other_route, 415, "unsupported_media_type")
    large = await send(shop, b" " * (1024 * 1024 + 1))
    assert_problem(large, 413, "too_large")


async def test_while_kafka_is_unavailable_events_are_503_and_a_retry_counts_once(
    shop: Shop,
) -> None:
    await shop.program()
    event = envelope("evt-1", shop.order("o1"))
    shop.stack.freeze("kafka")
    try:
        started = time.monotonic()
        response = await send(shop, event, **{"Idempotency-Key": "retry"})
        # After 8 s; the client of Kafka alone would go on for 40.
        assert time.monotonic() - started < 30
        assert_problem(response, 503, "unavailable")
        assert int(response.headers["Retry-After"]) >= 1
    finally:
        shop.stack.resume("kafka")

    async def is_accepted() -> bool:
        return (await send(shop, event, **{"Idempotency-Key": "retry"})).status == 202

    await eventually(is_accepted, every=0.5)
    await shop.balance_becomes(500)
