"""The main job: a shop's order becomes points, seen through the API."""

import re

from tests.support import Shop

TXN = re.compile(r"txn_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_a_program_has_the_documented_shape(shop: Shop) -> None:
    program = await shop.program()
    assert list(program) == [
        "id",
        "name",
        "points_per_dollar",
        "tiers",
        "is_active",
        "created_at",
        "currency",
        "is_default",
        "version",
        "keep_items",
    ]
    assert program["id"].startswith("loy_")
    assert program["points_per_dollar"] == 10
    assert program["tiers"][1] == {"name": "Silver", "min_points": 5000, "multiplier": 1.5}
    assert MOMENT.fullmatch(program["created_at"])


async def test_rates_are_written_as_the_documentation_prints_them(shop: Shop) -> None:
    await shop.program()
    listed = await shop.call("GET", "loyalty-programs")
    assert b'"points_per_dollar":10,' in listed.raw
    assert b'"multiplier":1.0}' in listed.raw
    assert b'"multiplier":1.5}' in listed.raw


async def test_an_order_of_a_gold_member_earns_rate_times_multiplier(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 15_000)
    await shop.publish(shop.order("o1", order_number="1042"))
    status = await shop.balance_becomes(16_000)
    assert status["lifetime_points"] == 16_000
    assert status["tier"] == {
        "name": "Gold",
        "multiplier": 2.0,
        "next_tier": {"name": "Platinum", "points_needed": 34_000},
    }
    newest = status["transactions"][0]
    assert list(newest) == ["id", "type", "points", "reason", "created_at"]
    assert (newest["type"], newest["points"], newest["reason"]) == ("earn", 1_000, "Order #1042")
    assert status["member_since"] == "2026-03-10T12:00:00.000Z"
    assert status["status"] == "active"


async def test_a_manual_award_has_the_documented_shape(shop: Shop) -> None:
    await shop.program()
    response = await shop.earn("cust_abc123", 500)
    assert response.status == 201
    assert list(response.json)[:7] == [
        "id",
        "customer_id",
        "type",
        "points",
        "reason",
        "balance_after",
        "created_at",
    ]
    assert TXN.fullmatch(response.json["id"])
    assert response.json["points"] == response.json["balance_after"] == 500


async def test_a_transaction_reads_the_same_alone_in_the_list_and_when_posted(shop: Shop) -> None:
    await shop.program()
    posted = (await shop.earn("cust_1", 500)).json
    alone = await shop.call("GET", f"loyalty/transactions/{posted['id']}")
    listed = await shop.call("GET", "loyalty/transactions")
    assert alone.json == posted
    assert listed.json == {"data": [posted], "total": 1, "has_more": False}


async def test_events_out_of_a_posting_reach_kafka_in_order(shop: Shop) -> None:
    await shop.program()
    for _ in range(3):
        await shop.earn("cust_1", 2_500)
    posted = await shop.read_events("points.earned", count=3)
    assert [event["sequence"] for event, _ in posted] == [1, 2, 3]
    event, headers = posted[1]
    assert event["balance_after"] == event["lifetime_after"] == 5_000
    assert event["tier"] == "Silver"
    assert headers["ce_id"] == event["transaction_id"]
    assert headers["ce_type"] == "points.earned"
    assert headers["ce_dataschema"].endswith("/v1")
    assert headers["content-type"] == "application/json"
    changes = await shop.read_events("points.tier_changed", count=2)
    assert [(one.get("from"), one["to"], one["sequence"]) for one, _ in changes] == [
        (None, "Bronze", 1),
        ("Bronze", "Silver", 2),
    ]
    assert changes[1][1]["ce_id"] == f"{event['transaction_id']}:tier"


async def test_an_order_before_any_program_counts_when_it_is_redelivered(shop: Shop) -> None:
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(0)
    await shop.program()
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(500)


async def test_a_changed_rate_prices_the_next_order_and_not_the_last(shop: Shop) -> None:
    program = await shop.program()
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(500)
    changed = await shop.call(
        "PATCH", f"loyalty-programs/{program['id']}", {"points_per_dollar": 15}
    )
    assert (changed.status, changed.json["points_per_dollar"]) == (200, 15)
    assert changed.json["tiers"] == program["tiers"]
    await shop.publish(shop.order("o2"))
    await shop.balance_becomes(500 + 750)


async def test_an_order_may_name_the_program_that_prices_it(shop: Shop) -> None:
    await shop.program()
    other = await shop.program(points_per_dollar="2.5", tiers=[])
    await shop.publish(shop.order("o1", program_id=other["id"]))
    await shop.balance_becomes(125)
