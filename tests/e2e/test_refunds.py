"""Refunds through Kafka: clawed back once, waiting for their orders, refused over the total."""

import asyncio

from libs.contracts.topics import ORDER_REFUNDED
from libs.testing.eventually import eventually
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


async def test_partial_refunds_claw_back_the_whole_award(shop: Shop) -> None:
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
    assert [item["order_id"] for item in listed] == ["o1", "o1"]
    adjusted = await shop.read_events("points.adjusted", count=2)
    assert [(item["type"], item["sequence"]) for item, _ in adjusted] == [
        ("refund", 2),
        ("refund", 3),
    ]
    await audit(shop.stack, shop.store_id)


async def test_a_refund_before_its_order_waits_and_creates_no_customer(shop: Shop) -> None:
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


async def test_orders_and_refunds_of_a_customer_in_any_order_have_the_same_result(
    shop: Shop,
) -> None:
    """Two topics have no order between them: refunds and their orders race."""
    await shop.program(tiers=[])
    orders = [shop.order(f"o{n}", total="10.00") for n in range(60)]
    refunds = [refund(shop, f"r{n}", order_id=f"o{n}", amount="5.00") for n in range(60)]
    await asyncio.gather(
        shop.publish_all(orders),
        *(shop.publish(item, topic=ORDER_REFUNDED) for item in refunds),
    )
    await shop.balance_becomes(60 * 50)
    await audit(shop.stack, shop.store_id)
