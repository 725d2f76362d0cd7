"""What became of an order, over REST."""

from libs.contracts.topics import ORDER_REFUNDED
from tests.support import Shop


async def test_the_transactions_of_an_order_are_what_it_earned_and_what_refunds_took(
    shop: Shop,
) -> None:
    await shop.program()
    await shop.publish_all([shop.order(number) for number in ("1042", "1043")])
    await shop.balance_becomes(1_000)
    refund = shop.order("1042", refund_id="r1", amount="20.00", refunded_at="2026-03-11T12:00:00Z")
    await shop.publish(refund, topic=ORDER_REFUNDED)
    await shop.balance_becomes(800)
    listed = await shop.call("GET", "loyalty/transactions?order_id=1042")
    assert [(one["type"], one["points"], one["order_id"]) for one in listed.json["data"]] == [
        ("refund", -200, "1042"),
        ("earn", 500, "1042"),
    ]
    assert listed.json["total"] == 2
    only = await shop.call("GET", "loyalty/transactions?order_id=1042&type=earn&customer_id=cust_1")
    assert [one["points"] for one in only.json["data"]] == [500]
    newest, oldest = listed.json["data"]
    rest = await shop.call(
        "GET", f"loyalty/transactions?order_id=1042&starting_after={newest['id']}"
    )
    assert rest.json["data"] == [oldest]
    await shop.earn("cust_2", 5)
    for query in ("order_id=1042&customer_id=cust_2", "order_id=1044", "order_id=9"):
        empty = await shop.call("GET", f"loyalty/transactions?{query}")
        assert (empty.status, empty.json["data"], empty.json["total"]) == (200, [], 0)
    invalid = await shop.call("GET", "loyalty/transactions?order_id=a%0Ab")
    assert [fault["parameter"] for fault in invalid.json["errors"]] == ["order_id"]
