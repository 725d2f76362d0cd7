"""Refunds, corrections by hand, batches and suspension, through Kafka and the API."""

import asyncio

from libs.contracts.topics import ORDER_REFUNDED
from libs.testing.eventually import eventually
from tests.contract.test_request_checks import assert_problem
from tests.e2e.test_once_in_effect import audit
from tests.support import Shop


def refund(shop: Shop, refund_id: str, **changes: object) -> dict[str, object]:
    return {
        "store_id": shop.store_id,
        "order_id": "o1",
        "customer_id": "cust_1",
        "refund_id": refund_id,
        "refunded_at": "2026-03-11T12:00:00Z",
        **changes,
    }


async def test_refunds_in_parts_take_back_the_whole_award(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1", order_number="1042"))
    await shop.balance_becomes(500)
    await shop.publish(refund(shop, "r1", amount="16.67"), topic=ORDER_REFUNDED)
    await shop.balance_becomes(500 - 166)
    await shop.publish(refund(shop, "r1", amount="16.67"), topic=ORDER_REFUNDED)
    await shop.publish(refund(shop, "r2"), topic=ORDER_REFUNDED)
    status = await shop.balance_becomes(0)
    assert status["lifetime_points"] == 0
    newest = status["transactions"][0]
    assert (newest["type"], newest["points"]) == ("refund", -334)
    assert newest["reason"] == "Refund of order #1042"
    listed = (await shop.call("GET", "loyalty/transactions?type=refund")).json["data"]
    assert [one["order_id"] for one in listed] == ["o1", "o1"]
    adjusted = await shop.read_events("points.adjusted", count=2)
    assert [(one["type"], one["sequence"]) for one, _ in adjusted] == [("refund", 2), ("refund", 3)]
    await audit(shop.stack, shop.store_id)


async def test_a_refund_before_its_order_waits_and_makes_no_customer(shop: Shop) -> None:
    await shop.program()
    await shop.publish(refund(shop, "r1", amount="25.00"), topic=ORDER_REFUNDED)
    run = shop.stack.run

    def is_listed() -> None:
        assert f"{shop.store_id}  o1  r1" in run("orders", "--waiting-refunds").stdout

    await eventually(is_listed)
    assert await shop.status() is None
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(250)
    assert shop.store_id not in run("orders", "--waiting-refunds").stdout


async def test_a_refund_over_the_total_is_a_dead_letter(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(500)
    place = await shop.publish(refund(shop, "r1", amount="50.06"), topic=ORDER_REFUNDED)
    assert (await shop.dead_letter(place)).headers["dlq-code"] == b"conflict"
    assert (await shop.status())["points_balance"] == 500


async def test_orders_and_refunds_of_one_customer_in_any_order_come_out_the_same(
    shop: Shop,
) -> None:
    """Two topics have no order between them: refunds and their orders race."""
    await shop.program(tiers=[])
    orders = [shop.order(f"o{n}", total="10.00") for n in range(60)]
    refunds = [refund(shop, f"r{n}", order_id=f"o{n}", amount="5.00") for n in range(60)]
    await asyncio.gather(
        shop.publish_all(orders),
        *(shop.publish(one, topic=ORDER_REFUNDED) for one in refunds),
    )
    await shop.balance_becomes(60 * 50)
    await audit(shop.stack, shop.store_id)


async def test_an_adjustment_leaves_the_lifetime_and_never_goes_below_zero(shop: Shop) -> None:
    async def adjust(points: int, customer_id: str = "cust_1") -> object:
        body = {"customer_id": customer_id, "points": points, "reason": "Correction"}
        return await shop.call("POST", "loyalty/adjust", body)

    answer = await adjust(700)
    assert answer.status == 201  # type: ignore[attr-defined]
    assert answer.json["type"] == "adjust"  # type: ignore[attr-defined]
    status = await shop.status()
    assert (status["points_balance"], status["lifetime_points"], status["tier"]) == (700, 0, None)
    refused = await adjust(-701)
    assert_problem(refused, 409, "insufficient_points")  # type: ignore[arg-type]
    details = refused.json  # type: ignore[attr-defined]
    assert (details["balance"], details["required"], details["missing"]) == (700, 701, 1)
    assert_problem(await adjust(-1, "cust_2"), 404, "not_found")  # type: ignore[arg-type]
    assert (await adjust(-700)).json["balance_after"] == 0  # type: ignore[attr-defined]
    assert_problem(await adjust(0), 400, "invalid_request")  # type: ignore[arg-type]


async def test_a_batch_has_a_verdict_for_each_item_in_order(shop: Shop) -> None:
    await shop.program()
    items = [
        {"customer_id": "cust_1", "points": 200, "reason": "Spring promotion"},
        {"customer_id": "cust 2", "points": 200, "reason": "Spring promotion"},
        {"customer_id": "cust_3", "points": "many", "reason": "Spring promotion"},
        {"customer_id": "cust_1", "points": 300, "reason": "Spring promotion"},
    ]
    key = {"Idempotency-Key": "spring"}
    answer = await shop.call("POST", "loyalty/earn/batch", {"items": items}, headers=key)
    assert answer.status == 200
    verdicts = answer.json["data"]
    assert [one["status"] for one in verdicts] == [201, 400, 400, 201]
    assert verdicts[3]["transaction"]["balance_after"] == 500
    assert verdicts[1]["problem"]["errors"][0]["pointer"] == "#/items/1/customer_id"
    assert verdicts[2]["problem"]["errors"][0]["pointer"] == "#/items/2/points"
    again = await shop.call("POST", "loyalty/earn/batch", {"items": items}, headers=key)
    assert (again.raw, again.headers["Idempotency-Hit"]) == (answer.raw, "true")
    assert (await shop.status())["points_balance"] == 500


async def test_a_batch_with_a_faulty_envelope_is_refused_whole(shop: Shop) -> None:
    await shop.program()
    item = {"customer_id": "cust_1", "points": 1, "reason": "x"}
    for body in ({"items": []}, {"items": [item] * 501}, {"items": item}, {"things": [item]}):
        answer = await shop.call("POST", "loyalty/earn/batch", body)
        assert_problem(answer, 400, "invalid_request")
    assert await shop.status() is None
    full = await shop.call("POST", "loyalty/earn/batch", {"items": [item] * 500})
    assert [one["status"] for one in full.json["data"]] == [201] * 500


async def test_orders_of_a_suspended_account_are_held_and_post_in_order(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 4_900)
    path = "loyalty/customers/cust_1"
    body = {"status": "suspended", "note": "Looks odd"}
    suspended = await shop.call("PATCH", path, body)
    assert (suspended.status, suspended.json["status"]) == (200, "suspended")
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
    reasons = [one["reason"] for one in active.json["transactions"][:3]]
    assert reasons == ["Order #2", "Order #1", "Order #0"]
    again = await shop.call("PATCH", path, {"status": "active"}, headers=key)
    assert (again.raw, again.headers["Idempotency-Hit"]) == (active.raw, "true")
    await audit(shop.stack, shop.store_id)


async def test_the_status_of_a_customer_nobody_knows_cannot_be_changed(shop: Shop) -> None:
    answer = await shop.call("PATCH", "loyalty/customers/cust_x", {"status": "suspended"})
    assert_problem(answer, 404, "not_found")
    faulty = await shop.call("PATCH", "loyalty/customers/cust_x", {"status": "gone"})
    assert_problem(faulty, 400, "invalid_request")


async def test_customers_list_by_id_and_filter_by_start_tier_and_status(shop: Shop) -> None:
    await shop.program()
    for customer, points in (("a_1", 10), ("a_2", 6_000), ("b_1", 7_000), ("aB", 5)):
        await shop.earn(customer, points)
    await shop.call("PATCH", "loyalty/customers/b_1", {"status": "suspended"})

    async def ids(query: str) -> list[str]:
        page = (await shop.call("GET", f"loyalty/customers?{query}")).json
        assert page["total"] >= len(page["data"])
        assert all("transactions" not in one for one in page["data"])
        return [one["customer_id"] for one in page["data"]]

    assert await ids("") == ["aB", "a_1", "a_2", "b_1"]
    assert await ids("query=a_") == ["a_1", "a_2"]
    assert await ids("tier=Silver") == ["a_2", "b_1"]
    assert await ids("tier=Platinum") == []
    assert await ids("tier=Wood") == []
    assert await ids("status=suspended") == ["b_1"]
    assert await ids("limit=1&starting_after=a_1") == ["a_2"]
    unknown = await shop.call("GET", "loyalty/customers?starting_after=nobody")
    assert_problem(unknown, 400, "invalid_request")


async def test_the_summary_tells_days_customers_and_tiers(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1", completed_at="2026-03-10T23:59:59Z"))
    await shop.publish(shop.order("o2", completed_at="2026-03-11T00:00:00Z", customer_id="cust_2"))
    await shop.balance_becomes(500)
    await shop.publish(refund(shop, "r1", amount="10.00"), topic=ORDER_REFUNDED)
    await shop.balance_becomes(400)
    await shop.call(
        "POST", "loyalty/adjust", {"customer_id": "cust_1", "points": -150, "reason": "x"}
    )

    async def is_told() -> None:
        path = "loyalty/summary?from=2026-03-10&to=2026-03-11"
        summary = (await shop.call("GET", path)).json
        assert summary == {
            "days": [
                {
                    "date": "2026-03-10",
                    "issued": 500,
                    "redeemed": 0,
                    "taken_back": 0,
                    "expired": 0,
                    "active_customers": 1,
                },
                {
                    "date": "2026-03-11",
                    "issued": 500,
                    "redeemed": 0,
                    "taken_back": 100,
                    "expired": 0,
                    "active_customers": 2,
                },
            ],
            "points_outstanding": 750,
            "customers": 2,
            "tiers": [
                {"name": "Bronze", "customers": 2},
                {"name": "Silver", "customers": 0},
                {"name": "Gold", "customers": 0},
                {"name": "Platinum", "customers": 0},
            ],
        }

    await eventually(is_told, within_seconds=6)
    for query in ("from=2026-03-12&to=2026-03-11", "from=yesterday", "to=2026-02-30"):
        assert_problem(await shop.call("GET", f"loyalty/summary?{query}"), 400, "invalid_request")


async def test_skipped_orders_are_listed_with_their_reasons(shop: Shop) -> None:
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(0)
    assert f"{shop.store_id}  o1  no_program" in shop.stack.run("orders", "--skipped").stdout


async def test_a_batch_counts_as_its_items_in_the_rate_limit(shop: Shop) -> None:
    await shop.program()
    item = {"customer_id": "cust_1", "points": 1, "reason": "x"}
    batches = [
        await shop.call("POST", "loyalty/earn/batch", {"items": [item] * 300}) for _ in range(2)
    ]
    assert batches[0].status == 200
    assert_problem(batches[1], 429, "rate_limited")
    # The refused one awarded nothing; the status is readable once the debt is paid off.
    await shop.balance_becomes(300)
