"""Events as shops send them: what they mean is taken, and what nobody can mean stops nothing."""

import asyncio
import base64
import json
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import pytest

from libs.contracts.groups import GROUPS
from libs.contracts.topics import (
    ANOMALY_RESOLVED,
    CATALOG_REWARD,
    ORDER_COMPLETED,
    ORDER_REFUNDED,
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
    dead_letter_topic,
)
from libs.testing.eventually import eventually
from tests.contract.test_request_checks import assert_problem, pointers
from tests.e2e.test_shop_events import envelope, send, send_all
from tests.support import Shop, follow

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def refund(order_id: object, refund_id: object, **changes: object) -> dict[str, object]:
    return {
        "order_id": order_id,
        "customer_id": "cust_1",
        "refund_id": refund_id,
        "refunded_at": "2026-03-11T12:00:00Z",
        **changes,
    }


async def dead_letters_of(shop: Shop, topic: str) -> list[bytes]:
    """The values of the store's dead letters of a topic so far."""
    async with aclosing(follow(shop.stack.kafka, dead_letter_topic(topic), seconds=2)) as records:
        values = [record.value or b"" async for record in records]
    return [value for value in values if shop.store_id.encode() in value]


# -- exponents


async def test_an_exponent_without_end_is_one_dead_letter_and_every_other_record_counts(
    shop: Shop,
) -> None:
    await shop.program()
    places = []
    for number, total in enumerate((b'"0e2147483647"', b"0e2147483647", b"0E+999999999999999999")):
        await shop.publish(shop.order(f"good-{number}"))
        bad = json.dumps(shop.order(f"bad-{number}")).encode().replace(b'"50.00"', total)
        places.append(await shop.publish(bad, key=f"{shop.store_id}:cust_1".encode()))
        event = {"store_id": shop.store_id, **refund("good-0", f"r{number}", amount="AMOUNT")}
        value = json.dumps(event).encode().replace(b'"AMOUNT"', total)
        places.append(await shop.publish(value, topic=ORDER_REFUNDED))
    await shop.balance_becomes(1_500)
    for place in places:
        assert (await shop.dead_letter(place)).headers["dlq-code"] == b"invalid"


# -- ids and customers


async def test_numbers_and_customers_of_any_script_are_taken(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1", customer_id=6940095564, order_id=1042))
    for number, customer in enumerate(("o'brien@example.com", "josé@example.com", "jose\u0301")):
        await shop.publish(shop.order(f"o-{number}", customer_id=customer))
    await send(
        shop,
        envelope("evt-1", refund(1042, 77, customer_id=6940095564, amount=5), type=ORDER_REFUNDED),
    )
    status = await shop.balance_becomes(450, "6940095564")
    assert [one["reason"] for one in status["transactions"]] == [
        "Refund of order 1042",
        "Order 1042",
    ]
    await shop.balance_becomes(500, quote("o'brien@example.com", safe=""))
    await shop.balance_becomes(500, "josé@example.com")
    status = await shop.balance_becomes(500, quote("jose\u0301"))
    assert status["customer_id"] == "jos\u00e9"


async def test_every_route_reads_a_customer_in_one_spelling(shop: Shop) -> None:
    await shop.program()
    composed, decomposed = "jos\u00e9", "jose\u0301"
    assert (await shop.earn(decomposed, 500)).json["customer_id"] == composed
    adjust = {"customer_id": decomposed, "points": 5, "reason": "Sorry"}
    assert (await shop.call("POST", "loyalty/adjust", adjust)).json["balance_after"] == 505
    reward = {"name": "Coffee", "points_cost": 5, "type": "perk"}
    reward_id = (await shop.call("POST", "loyalty/rewards", reward)).json["id"]
    body = {"customer_id": decomposed, "reward_id": reward_id}
    redeemed = await shop.call("POST", "loyalty/redeem", body)
    assert redeemed.status == 201, redeemed.raw
    assert redeemed.json["customer_id"] == composed
    by_customer = f"?customer_id={quote(decomposed)}"
    for path, total in (
        (f"loyalty/transactions{by_customer}", 3),
        (f"loyalty/redemptions{by_customer}", 1),
        (f"loyalty/rewards{by_customer}", 1),
        (f"loyalty/anomalies{by_customer}", 0),
        (f"loyalty/customers?query={quote(decomposed)}", 1),
        (f"loyalty/customers?starting_after={quote(decomposed)}", 1),
    ):
        response = await shop.call("GET", path)
        assert (response.status, response.json["total"]) == (200, total), path
    noted = {"status": "suspended"}
    patched = await shop.call("PATCH", f"loyalty/customers/{quote(decomposed)}", noted)
    assert (patched.status, patched.json["customer_id"]) == (200, composed)


async def test_customers_of_every_script_are_found_by_how_their_ids_begin(shop: Shop) -> None:
    await shop.program()
    for customer in ("王小明", "王小红", "王", "李", "zoe"):
        assert (await shop.earn(customer, 1)).status == 201
    response = await shop.call("GET", f"loyalty/customers?query={quote('王小')}")
    assert {one["customer_id"] for one in response.json["data"]} == {"王小明", "王小红"}
    response = await shop.call("GET", f"loyalty/customers?query={quote('王')}")
    assert response.json["total"] == 3


@pytest.mark.parametrize("customer_id", [".", "..", "a b", "x²", "a/b"])
async def test_what_is_no_customers_id_is_refused_with_its_place(
    shop: Shop, customer_id: str
) -> None:
    await shop.program()
    response = await shop.earn(customer_id, 5)
    assert_problem(response, 400, "invalid_request")
    assert pointers(response) == ["#/customer_id"]


# -- guests


@pytest.mark.parametrize(
    "customer", [{"customer_id": None}, {"customer_id": ""}, {"customer_id": 0}, {}]
)
async def test_a_guests_order_is_passed_over_and_counts_once_it_has_a_customer(
    shop: Shop, customer: dict[str, object]
) -> None:
    await shop.program()
    order = {name: one for name, one in shop.order("o1").items() if name != "customer_id"}
    key = f"{shop.store_id}:cust_1".encode()
    await shop.publish({**order, **customer}, key=key)
    await shop.publish(shop.order("after"))
    await shop.balance_becomes(500)
    assert await dead_letters_of(shop, ORDER_COMPLETED) == []
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(1_000)


async def test_a_guests_events_over_rest_are_said_to_be_ones(shop: Shop) -> None:
    await shop.program()
    events = [
        envelope("evt-1", shop.order("o1", customer_id=None)),
        envelope("evt-2", refund("o1", "r1", customer_id=0), type=ORDER_REFUNDED),
        envelope("evt-3", shop.order("o2")),
        envelope("evt-4", shop.order("o3", customer_id="", total="much")),
    ]
    response = await send_all(shop, events, **{"Idempotency-Key": "guests"})
    data = response.json["data"]
    assert data[:3] == [
        {"id": "evt-1", "status": 202, "guest": True},
        {"id": "evt-2", "status": 202, "guest": True},
        {"id": "evt-3", "status": 202},
    ]
    assert data[3]["status"] == 400
    again = await send_all(shop, events, **{"Idempotency-Key": "guests"})
    assert again.raw == response.raw
    await shop.balance_becomes(500)
    # None but the customer's stands on the topic.
    ((order, _),) = await shop.read_events("order.completed", count=1)
    assert order["order_id"] == "o2"


# -- money and rounding


async def test_the_noise_of_floats_is_no_conflict(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1", total=48.380000000000003))
    await shop.publish(shop.order("o1", total="48.38"))
    await shop.publish(shop.order("o2", total=0.1 + 0.2))
    await shop.balance_becomes(483 + 3)


async def test_refunds_that_are_rounded_take_the_whole_back(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1", total="100.00"))
    await shop.balance_becomes(1_000)
    events = [
        envelope(f"evt-{number}", refund("o1", f"r{number}", amount="33.34"), type=ORDER_REFUNDED)
        for number in range(4)
    ]
    await send_all(shop, events)
    await shop.balance_becomes(0)
    place = await shop.publish(
        {"store_id": shop.store_id, **refund("o1", "r9", amount="0.01")}, topic=ORDER_REFUNDED
    )
    letter = await shop.dead_letter(place)
    assert letter.headers["dlq-code"] == b"conflict"


# -- CloudEvents


async def test_data_in_base64_is_an_event_over_rest_too(shop: Shop) -> None:
    await shop.program()
    data = base64.b64encode(json.dumps(shop.order("o1")).encode()).decode()
    event = {name: one for name, one in envelope("evt-1", None).items() if name != "data"}
    response = await send(
        shop, {**event, "data_base64": data, "datacontenttype": "Application/JSON"}
    )
    assert response.status == 202, response.raw
    await shop.balance_becomes(500)
    both = await send(shop, {**envelope("evt-2", shop.order("o2")), "data_base64": data})
    assert_problem(both, 400, "invalid_request")
    neither = await send(shop, event)
    assert_problem(neither, 400, "invalid_request")
    assert pointers(neither) == ["#/data"]
    broken = await send(shop, {**event, "data_base64": "e30"})
    assert pointers(broken) == ["#/data_base64"]
    faulty = base64.b64encode(json.dumps(shop.order("o3", total="1_000")).encode()).decode()
    assert pointers(await send(shop, {**event, "data_base64": faulty})) == ["#/data_base64/total"]


# -- the trace of a request


async def test_a_write_hands_its_trace_to_the_events_it_causes(shop: Shop) -> None:
    await shop.program(tiers=[{"name": "All", "min_points": 0, "multiplier": 1}])
    traced = {"traceparent": TRACE}
    await shop.earn("cust_1", 500, **traced)
    adjust = {"customer_id": "cust_1", "points": -5, "reason": "Sorry"}
    await shop.call("POST", "loyalty/adjust", adjust, headers=traced)
    reward = {"name": "Coffee", "points_cost": 5, "type": "perk"}
    created = await shop.call("POST", "loyalty/rewards", reward, headers=traced)
    body = {"customer_id": "cust_1", "reward_id": created.json["id"]}
    redeemed = await shop.call("POST", "loyalty/redeem", body, headers=traced)
    assert redeemed.status == 201, redeemed.raw
    for topic in (
        *(POINTS_EARNED, POINTS_ADJUSTED, POINTS_REDEEMED, CATALOG_REWARD, "points.tier_changed"),
    ):
        ((_, headers),) = await shop.read_events(topic, count=1)
        assert headers["traceparent"] == TRACE, topic


async def test_requests_that_share_a_transaction_keep_their_traces(shop: Shop) -> None:
    await shop.program()
    items = [{"customer_id": f"cust_{n}", "points": 5, "reason": "Hello"} for n in range(3)]
    traces = [f"00-{n:032x}-00f067aa0ba902b7-01" for n in range(1, 4)]
    sent = [
        shop.call("POST", "loyalty/earn", item, headers={"traceparent": trace})
        for item, trace in zip(items, traces, strict=True)
    ]
    await asyncio.gather(*sent)
    events = await shop.read_events(POINTS_EARNED, count=3)
    by_customer = {event["customer_id"]: headers["traceparent"] for event, headers in events}
    assert by_customer == {f"cust_{n}": trace for n, trace in enumerate(traces)}


async def test_an_event_that_no_request_caused_has_no_trace(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1"), headers=[("traceparent", TRACE.encode())])
    ((_, headers),) = await shop.read_events(POINTS_EARNED, count=1)
    assert "traceparent" not in headers


async def test_a_review_hands_its_trace_on(shop: Shop) -> None:
    await shop.program()
    for _ in range(10):
        await shop.earn("cust_1", 5)

    async def flagged() -> Any:
        page = await shop.call("GET", "loyalty/anomalies")
        assert page.json["data"]
        return page.json["data"][0]

    anomaly = await eventually(flagged)
    resolve = {"status": "resolved", "resolution": "voided"}
    path = f"loyalty/anomalies/{anomaly['id']}"
    response = await shop.call("PATCH", path, resolve, headers={"traceparent": TRACE})
    assert response.status == 200, response.raw
    ((_, headers),) = await shop.read_events(ANOMALY_RESOLVED, count=1)
    assert headers["traceparent"] == TRACE


# -- events of our own, forged or from a defect of their sender


def posted(shop: Shop, **changes: object) -> dict[str, object]:
    return {
        "store_id": shop.store_id,
        "transaction_id": "txn_0196f3a0-0000-7000-8000-000000000000",
        "customer_id": "cust_1",
        "sequence": 1,
        "type": "earn",
        "points": 5,
        "balance_after": 5,
        "lifetime_after": 5,
        "reason": "Hello",
        "occurred_at": "2026-03-10T12:00:00.000Z",
        "created_at": "2026-03-10T12:00:00.000Z",
        **changes,
    }


def reward(shop: Shop, **changes: object) -> dict[str, object]:
    return {
        "store_id": shop.store_id,
        "id": "rwd_1",
        "version": 1,
        "name": "Coffee",
        "points_cost": 5,
        "type": "perk",
        "is_active": True,
        "created_at": "2026-03-10T12:00:00.000Z",
        **changes,
    }


def resolved(shop: Shop, **changes: object) -> dict[str, object]:
    return {
        "store_id": shop.store_id,
        "id": "anom_0196f3a0-0000-7000-8000-000000000000",
        "version": 2,
        "customer_id": "cust_1",
        "type": "rapid_earning",
        "description": "15 point transactions in 2 minutes",
        "points_involved": 5,
        "status": "resolved",
        "flagged_at": "2026-03-10T12:00:00.000Z",
        "transaction_ids": [],
        "resolution": "suspended",
        **changes,
    }


REWARDED = {"id": "rwd_1", "name": "Coffee"}
FORGED: list[Any] = [
    (POINTS_EARNED, posted, {"customer_id": "a\x00b"}),
    (POINTS_EARNED, posted, {"points": 2**62}),
    (POINTS_EARNED, posted, {"points": -1}),
    (POINTS_EARNED, posted, {"occurred_at": "yesterday"}),
    (POINTS_EARNED, posted, {"transaction_id": "txn_1"}),
    (
        POINTS_REDEEMED,
        posted,
        {"type": "redeem", "reward": {"id": "a\x00b", "name": "x"}},
    ),
    (
        POINTS_ADJUSTED,
        posted,
        {"type": "cancel", "reward": REWARDED, "transaction_id": "t\x1f"},
    ),
    (CATALOG_REWARD, reward, {"created_at": "x"}),
    (CATALOG_REWARD, reward, {"name": "a\x00b"}),
    (CATALOG_REWARD, reward, {"version": 2**63}),
    (CATALOG_REWARD, reward, {"starts_at": "2026-02-30T00:00:00Z"}),
    (ANOMALY_RESOLVED, resolved, {"id": "a\x00b"}),
    (ANOMALY_RESOLVED, resolved, {"note": "a\x00b"}),
    (
        ANOMALY_RESOLVED,
        resolved,
        {"transaction_ids": ["a\x00b"], "resolution": "voided"},
    ),
]


@pytest.mark.parametrize(("topic", "make", "changes"), FORGED)
async def test_an_event_of_ours_that_breaks_a_bound_is_a_dead_letter_and_stops_nobody(
    shop: Shop, topic: str, make: Any, changes: dict[str, object]
) -> None:
    place = await shop.publish(make(shop, **changes), topic=topic)
    for group in GROUPS:
        if topic not in group.topics:
            continue
        letter = await shop.dead_letter(place, service=group.service)
        assert letter.headers["dlq-code"] == b"invalid"


async def test_a_time_in_any_offset_and_case_stops_no_reader(shop: Shop) -> None:
    """PostgreSQL takes no offset of sixteen hours or more, and RFC 3339 has any up to a day."""
    await shop.program()
    await shop.publish(posted(shop, occurred_at="2026-03-10T12:00:00+23:59"), topic=POINTS_EARNED)
    times = {"starts_at": "2026-03-10t12:00:00z", "created_at": "2026-03-10 12:00:00-23:59"}
    await shop.publish(reward(shop, **times), topic=CATALOG_REWARD)
    for _ in range(10):
        await shop.earn("cust_1", 500)

    async def all_is_read() -> None:
        page = await shop.call("GET", "loyalty/rewards?customer_id=cust_1")
        assert [one["starts_at"] for one in page.json["data"]]
        assert (await shop.call("GET", "loyalty/anomalies")).json["total"] == 1

    await eventually(all_is_read)
    for topic in (POINTS_EARNED, CATALOG_REWARD):
        assert await dead_letters_of(shop, topic) == []


async def test_kinds_that_come_later_pass_every_reader(shop: Shop) -> None:
    """A newer service's events are no dead letters of an older reader."""
    await shop.program()
    await shop.publish(posted(shop, type="transfer"), topic=POINTS_ADJUSTED)
    await shop.publish(reward(shop, type="gift"), topic=CATALOG_REWARD)
    await shop.publish(
        resolved(shop, type="night_owl", resolution="warned"), topic=ANOMALY_RESOLVED
    )
    await shop.earn("cust_1", 500)

    async def offered() -> None:
        page = await shop.call("GET", "loyalty/rewards?customer_id=cust_1")
        assert [one["type"] for one in page.json["data"]] == ["gift"]

    await eventually(offered)
    for topic in (POINTS_ADJUSTED, CATALOG_REWARD, ANOMALY_RESOLVED):
        assert await dead_letters_of(shop, topic) == []
