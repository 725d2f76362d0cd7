"""Fulfillments over Kafka and REST: counted once, ignored, or a dead letter."""

from typing import Any

import asyncpg

from libs.contracts.topics import ORDER_FULFILLED
from libs.testing.eventually import eventually
from tests.support import Shop

AT = "2026-03-12T09:30:00Z"


def fulfillment(shop: Shop, order_id: str, **changes: object) -> dict[str, object]:
    return {
        "store_id": shop.store_id,
        "order_id": order_id,
        "customer_id": "cust_1",
        "fulfilled_at": AT,
        **changes,
    }


async def recorded(shop: Shop) -> list[tuple[str, str]]:
    """The orders whose fulfillments wait for them, and the hour of each."""
    connection = await asyncpg.connect(shop.stack.database("earning"))
    try:
        rows = await connection.fetch(
            "SELECT order_id, to_char(fulfilled_at AT TIME ZONE 'UTC', 'HH24:MI') AS hour"
            " FROM fulfillments WHERE store_id = $1 ORDER BY order_id",
            shop.store_id,
        )
    finally:
        await connection.close()
    return [(row["order_id"], row["hour"]) for row in rows]


async def become_recorded(shop: Shop, expected: list[tuple[str, str]]) -> None:
    async def look() -> None:
        assert await recorded(shop) == expected

    await eventually(look)


async def test_the_first_fulfillment_waits_for_its_order_and_leaves_the_points_alone(
    shop: Shop,
) -> None:
    await shop.program()
    await shop.publish(fulfillment(shop, "1042"), topic=ORDER_FULFILLED)
    later = fulfillment(shop, "1042", fulfilled_at="2026-03-13T10:30:00Z")
    await shop.publish(later, topic=ORDER_FULFILLED)
    await shop.publish(fulfillment(shop, "guests", customer_id=None), topic=ORDER_FULFILLED)
    await shop.publish(fulfillment(shop, "last"), topic=ORDER_FULFILLED)
    await become_recorded(shop, [("1042", "09:30"), ("last", "09:30")])
    assert await shop.status() is None
    await shop.publish(shop.order("1042"))
    status = await shop.balance_becomes(500)
    assert [one["type"] for one in status["transactions"]] == ["earn"]


async def test_a_fulfillment_that_cannot_be_processed_is_a_dead_letter_of_its_store(
    shop: Shop,
) -> None:
    await shop.program()
    await shop.publish(shop.order("1042"))
    await shop.balance_becomes(500)
    bad: tuple[tuple[dict[str, object], str], ...] = (
        ({"customer_id": "cust_2"}, "conflict"),
        ({"fulfilled_at": "1970-01-01T00:00:00Z"}, "invalid"),
        ({"fulfilled_at": None}, "malformed"),
    )
    for changes, code in bad:
        record = fulfillment(shop, "1042", **changes)
        place = await shop.publish(record, topic=ORDER_FULFILLED)
        assert (await shop.dead_letter(place)).headers["dlq-code"] == code.encode()

    async def listed() -> Any:
        page = (await shop.call("GET", "loyalty/dead-letters?topic=order.fulfilled")).json
        assert page["total"] == len(bad)
        return page["data"]

    letters = await eventually(listed)
    assert {(one["order_id"], one["topic"]) for one in letters} == {("1042", "order.fulfilled")}
    assert {one["code"] for one in letters} == {code for _, code in bad}
    (order,) = (await shop.call("GET", "loyalty/orders?order_id=1042")).json["data"]
    assert (order["state"], order["award"], len(order["dead_letters"])) == ("counted", 500, 3)
    assert await recorded(shop) == []
    replayed = await shop.call("POST", f"loyalty/dead-letters/{letters[0]['id']}/replay")
    assert replayed.status == 200


async def test_a_fulfillment_is_sent_over_rest(shop: Shop) -> None:
    def envelope(order_id: str, **changes: object) -> dict[str, object]:
        return {
            "specversion": "1.0",
            "id": f"evt-{order_id}",
            "source": "/shop",
            "type": "order.fulfilled",
            "data": fulfillment(shop, order_id, **changes),
        }

    events = [
        envelope("1042"),
        envelope("1043", fulfilled_at="tomorrow"),
        envelope("1044", customer_id=""),
    ]
    response = await shop.call(
        "POST", "events", events, headers={"Content-Type": "application/cloudevents-batch+json"}
    )
    sent, invalid, guest = response.json["data"]
    assert (sent["status"], guest["status"], guest["guest"]) == (202, 202, True)
    assert [fault["pointer"] for fault in invalid["problem"]["errors"]] == ["#/1/data/fulfilled_at"]
    await become_recorded(shop, [("1042", "09:30")])
