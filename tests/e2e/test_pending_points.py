"""Points that wait and points that expire, as a shop sees them."""

from datetime import timedelta
from typing import Any

from libs.kernel.clock import format_time, utc_now
from libs.testing.eventually import eventually
from tests.contract.test_request_checks import assert_problem
from tests.support import ApiResponse, Shop

STATUS = "loyalty/customers/cust_1"


async def order(shop: Shop, order_id: str) -> None:
    """An order of $50.00 that was completed now, once it counts."""
    await shop.publish(shop.order(order_id, completed_at=format_time(utc_now())))

    async def counts() -> None:
        assert (await list_orders(shop, order_id))["state"] in {"counted", "held"}

    await eventually(counts)


async def list_orders(shop: Shop, order_id: str) -> Any:
    (item,) = (await shop.call("GET", f"loyalty/orders?order_id={order_id}")).json["data"]
    return item


async def release(shop: Shop, order_id: str) -> ApiResponse:
    return await shop.call("POST", "loyalty/orders/release", {"order_id": order_id})


async def test_pending_points_are_released_once_and_expire_from_then_on(shop: Shop) -> None:
    await shop.program(pending={"days": 14}, expiry={"kind": "after", "months": 12})
    await order(shop, "o1")
    status = (await shop.call("GET", STATUS)).json
    assert (status["points_balance"], status["points_pending"]) == (0, 500)
    (waiting,) = (await shop.call("GET", f"{STATUS}/pending")).json["data"]
    assert (waiting["order_id"], waiting["points"]) == ("o1", 500)

    released = await release(shop, "o1")
    assert (released.status, released.json["type"], released.json["points"]) == (200, "earn", 500)
    assert released.json["available_at"] < waiting["available_at"]
    assert (await release(shop, "o1")).raw == released.raw
    transaction = await shop.call("GET", f"loyalty/transactions/{released.json['id']}")
    assert transaction.raw == released.raw

    status = (await shop.call("GET", STATUS)).json
    assert status["points_balance"] == 500
    assert "points_pending" not in status
    assert (await shop.call("GET", f"{STATUS}/pending")).json["data"] == []
    expirations = (await shop.call("GET", f"{STATUS}/expirations")).json
    assert expirations["data"] == [status["next_expiration"]]
    assert (expirations["data"][0]["points"], expirations["without_date"]) == (500, 0)
    day = expirations["data"][0]["expires_on"]
    after = await shop.call("GET", f"{STATUS}/expirations?starting_after={day}")
    assert after.json["data"] == []
    for query in ("starting_after=o1", "limit=0", "state=x"):
        assert_problem(
            await shop.call("GET", f"{STATUS}/expirations?{query}"), 400, "invalid_request"
        )
    unknown = await shop.call("GET", f"{STATUS}/pending?starting_after=txn_1")
    assert_problem(unknown, 400, "invalid_request")


async def test_only_pending_points_of_an_active_account_are_released(shop: Shop) -> None:
    program = await shop.program(pending={"days": 14})
    await order(shop, "o1")
    assert_problem(await release(shop, "o2"), 404, "not_found")
    assert_problem(await release(shop, "o\n2"), 400, "invalid_request")
    await shop.call("PATCH", STATUS, {"status": "suspended"})
    assert_problem(await release(shop, "o1"), 409, "account_suspended")
    await shop.call("PATCH", STATUS, {"status": "active"})
    assert (await release(shop, "o1")).status == 200
    await shop.call("PATCH", f"loyalty-programs/{program['id']}", {"pending": None})
    await order(shop, "o3")
    assert_problem(await release(shop, "o3"), 409, "conflict")
    nobody = await shop.call("GET", "loyalty/customers/cust_2/pending")
    assert_problem(nobody, 404, "not_found")


async def test_an_order_shows_the_points_that_were_given_up(shop: Shop) -> None:
    await shop.program(pending={"days": 14, "from": "fulfilled", "give_up_days": 5})
    await order(shop, "o1")
    waiting = await list_orders(shop, "o1")
    assert (waiting["pending"], "given_up" in waiting) == (500, False)
    in_a_week = format_time(utc_now() + timedelta(days=7))
    assert (await shop.call("PUT", "loyalty/clock", {"now": in_a_week})).status == 200
    listed = await list_orders(shop, "o1")
    assert (listed["award"], listed["pending"], listed["given_up"]) == (500, 0, 500)


async def test_points_can_have_a_date_of_their_own(shop: Shop) -> None:
    await shop.program()
    today = utc_now().date()
    first, last = str(today + timedelta(days=1)), str(today + timedelta(days=40))
    award = {"customer_id": "cust_1", "points": 10, "reason": "Birthday"}
    late = {**award, "expires_on": f"{today.year + 11}-01-01"}

    earned = await shop.call("POST", "loyalty/earn", {**award, "expires_on": last})
    assert (earned.status, earned.json["lots"]) == (201, [{"points": 10, "expires_on": last}])
    items = [{**award, "points": 20, "expires_on": first}, {**award, "expires_on": None}, late]
    batch = await shop.call("POST", "loyalty/earn/batch", {"items": items})
    verdicts = batch.json["data"]
    assert [verdict["status"] for verdict in verdicts] == [201, 201, 400]
    assert verdicts[2]["problem"]["errors"][0]["pointer"] == "#/items/2/expires_on"
    adjusted = await shop.call("POST", "loyalty/adjust", {**award, "expires_on": first})
    assert adjusted.status == 201
    assert (await shop.call("POST", "loyalty/adjust", award)).status == 201

    expirations = (await shop.call("GET", f"{STATUS}/expirations")).json
    days = [(item["points"], item["expires_on"]) for item in expirations["data"]]
    assert (days, expirations["without_date"]) == ([(30, first), (10, last)], 20)

    yesterday = str(today - timedelta(days=1))
    for path, body in (
        ("earn", late),
        ("earn", {**award, "expires_on": yesterday}),
        ("earn", {**award, "expires_on": "2027-02-30"}),
        ("adjust", late),
        ("adjust", {**award, "points": -5, "expires_on": last}),
        ("adjust", {**award, "points": -5, "expires_on": None}),
    ):
        response = await shop.call("POST", f"loyalty/{path}", body)
        assert_problem(response, 400, "invalid_request")
        assert [fault["pointer"] for fault in response.json["errors"]] == ["#/expires_on"]
    refused = await shop.call("POST", "loyalty/earn", {**award, "expires_on": yesterday})
    assert (
        f"#/expires_on: must be a date from {today}, today in the store, to "
        in (refused.json["detail"])
    )


async def test_a_date_out_of_bounds_is_refused_before_the_state_of_the_store(shop: Shop) -> None:
    award = {"customer_id": "cust_1", "points": 10, "reason": "Birthday"}
    past = {**award, "expires_on": "2020-01-01"}
    assert_problem(await shop.call("POST", "loyalty/earn", past), 400, "invalid_request")
    assert_problem(await shop.call("POST", "loyalty/earn", award), 409, "program_inactive")
