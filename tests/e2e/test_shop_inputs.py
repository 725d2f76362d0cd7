"""Events as shops send them: what they mean is taken, and what nobody can mean stops nothing."""

import base64
import json
from urllib.parse import quote

import pytest

from libs.contracts.topics import ORDER_COMPLETED, ORDER_REFUNDED
from tests.contract.test_request_checks import assert_problem, pointers
from tests.e2e.letters import dead_letters_of
from tests.e2e.test_shop_events import envelope, send, send_all
from tests.support import Shop


def refund(order_id: object, refund_id: object, **changes: object) -> dict[str, object]:
    return {
        "order_id": order_id,
        "customer_id": "cust_1",
        "refund_id": refund_id,
        "refunded_at": "2026-03-11T12:00:00Z",
        **changes,
    }


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
