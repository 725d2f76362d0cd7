"""Suspended accounts through Kafka and the API: orders are held, and post in order afterwards."""

from libs.testing.eventually import eventually
from tests.contract.test_request_checks import assert_problem
from tests.e2e.test_once_in_effect import audit
from tests.support import Shop


async def test_orders_of_a_suspended_account_are_held_and_post_in_order(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 4_900)
    path = "loyalty/customers/cust_1"
    body = {"status": "suspended", "note": "Looks odd"}
    suspended = await shop.call("PATCH", path, body)
    assert (suspended.status, suspended.json["status"]) == (200, "suspended")
    assert (suspended.json["status_note"], suspended.json["status_by"]) == ("Looks odd", "test")
    assert (await shop.status())["status_changed_at"] == suspended.json["status_changed_at"]
    assert_problem(await shop.earn("cust_1", 5), 409, "account_suspended")
    for number in range(3):
        await shop.publish(shop.order(f"o{number}", order_number=number))

    def are_held() -> None:
        listed = shop.stack.run("orders", "--held").stdout
        assert all(f"{shop.store_id}  o{number}" in listed for number in range(3))

    await eventually(are_held)
    assert (await shop.status())["points_balance"] == 4_900
    key = {"Idempotency-Key": "reopen"}
    active = await shop.call("PATCH", path, {"status": "active"}, headers=key)
    # 4,900 + 500 at Bronze reaches Silver; the next two earn at 1.5.
    assert active.json["points_balance"] == 4_900 + 500 + 750 + 750
    assert "status_note" not in active.json
    assert active.json["status_changed_at"] > suspended.json["status_changed_at"]
    reasons = [item["reason"] for item in active.json["transactions"][:3]]
    assert reasons == ["Order #2", "Order #1", "Order #0"]
    repeated = await shop.call("PATCH", path, {"status": "active"}, headers=key)
    assert (repeated.raw, repeated.headers["Idempotency-Hit"]) == (active.raw, "true")
    await audit(shop.stack, shop.store_id)


async def test_the_status_of_an_unknown_customer_cannot_be_changed(shop: Shop) -> None:
    response = await shop.call("PATCH", "loyalty/customers/cust_x", {"status": "suspended"})
    assert_problem(response, 404, "not_found")
    invalid = await shop.call("PATCH", "loyalty/customers/cust_x", {"status": "closed"})
    assert_problem(invalid, 400, "invalid_request")
