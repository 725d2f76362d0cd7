"""Dead letters replayed and dropped over REST, refunds by state, and skipped orders checked again."""

import asyncio
import json
from typing import Any

import pytest

from libs.contracts.topics import ANOMALY_RESOLVED, ORDER_COMPLETED, ORDER_REFUNDED
from libs.testing.eventually import eventually
from tests.reading import read_all
from tests.support import DeadLetter, Shop

LETTERS = "loyalty/dead-letters"
REFUND = {"refund_id": "r1", "amount": "20.00", "refunded_at": "2026-03-11T12:00:00Z"}


async def fetch(shop: Shop, path: str) -> Any:
    response = await shop.call("GET", path)
    assert response.status == 200, response.raw
    return response.json


async def letters(shop: Shop, count: int) -> Any:
    """The open letters of the store, newest first, once there are so many."""

    async def look() -> Any:
        page = await fetch(shop, LETTERS)
        assert page["total"] == count, page
        return page["data"]

    return await eventually(look)


async def order(shop: Shop, order_id: str, state: str) -> Any:
    """The order, once it is in this state."""

    async def look() -> Any:
        (only,) = (await fetch(shop, f"loyalty/orders?order_id={order_id}&state={state}"))["data"]
        return only

    return await eventually(look)


async def records_like(shop: Shop, value: bytes) -> list[Any]:
    """The keys and headers of the orders on the topic with this value."""
    records = await read_all(shop.stack.kafka, ORDER_COMPLETED)
    return [(one.key, tuple(one.headers)) for one in records if one.value == value]


def place_of(letter: DeadLetter) -> str:
    return f"{letter.topic}:{letter.partition}:{letter.offset}"


async def listed(shop: Shop) -> str:
    """What the operators' command lists."""
    return (await asyncio.to_thread(shop.stack.run, "dead-letters", "list")).stdout


async def test_a_replayed_letter_is_published_once_as_it_was_and_may_become_a_new_letter(
    shop: Shop,
) -> None:
    await shop.program()
    await shop.publish(shop.order("o1"))
    await order(shop, "o1", "counted")
    # The command lists 50 letters. Those of a later topic are older here.
    older = [await shop.publish(b"{", topic=ANOMALY_RESOLVED) for _ in range(50)]
    await shop.dead_letter(older[-1])
    value = json.dumps(shop.order("o1", total="60.00")).encode()
    headers = [("x-shop", b"\xff"), ("x-shop", b"")]
    place = await shop.publish(value, key=f"{shop.store_id}:cust_1".encode(), headers=headers)
    place = place_of(await shop.dead_letter(place))
    (letter,) = await letters(shop, 1)
    assert place in await listed(shop)
    responses = await asyncio.gather(
        *(shop.call("POST", f"{LETTERS}/{letter['id']}/replay") for _ in range(6))
    )
    assert {response.status for response in responses} == {200}
    (replayed,) = {response.raw for response in responses}
    assert b"replayed_at" in replayed
    (again,) = await letters(shop, 1)
    assert again["id"] != letter["id"]
    assert again["code"] == "conflict"
    record = (f"{shop.store_id}:cust_1".encode(), tuple(headers))
    assert await records_like(shop, value) == [record, record]
    assert place not in await listed(shop)
    assert (await shop.call("GET", f"{LETTERS}/{letter['id']}")).status == 404
    refused = await shop.call("DELETE", f"{LETTERS}/{letter['id']}")
    assert (refused.status, refused.json["code"]) == (409, "conflict")


async def test_many_letters_have_a_verdict_each_and_a_dropped_one_is_never_replayed(
    shop: Shop,
) -> None:
    """Their record has no key."""
    await shop.publish(json.dumps(shop.order("o1", total="-1")).encode())
    (letter,) = await letters(shop, 1)
    verdicts = (
        await shop.call("POST", f"{LETTERS}/replay", {"ids": [letter["id"], "dl_x", letter["id"]]})
    ).json["data"]
    assert [(one["id"], one["status"]) for one in verdicts] == [
        (letter["id"], 200),
        ("dl_x", 404),
        (letter["id"], 200),
    ]
    (again,) = await letters(shop, 1)
    assert again["detail"] == letter["detail"]
    key = {"Idempotency-Key": "drop-once"}
    for _ in range(2):
        dropped = await shop.call("DELETE", f"{LETTERS}/{again['id']}", headers=key)
        assert (dropped.status, dropped.raw) == (204, b"")
    assert (await shop.call("DELETE", f"{LETTERS}/{again['id']}")).status == 204
    assert await letters(shop, 0) == []
    refused = await shop.call("POST", f"{LETTERS}/{again['id']}/replay")
    assert "already dropped" in refused.json["detail"]


async def test_a_letter_handled_by_the_command_and_one_of_another_store_cannot_be_replayed(
    shop: Shop,
) -> None:
    dead = await shop.dead_letter(await shop.publish(shop.order("o1", total="-1")))
    (letter,) = await letters(shop, 1)
    key = await shop.stack.key(f"{shop.store_id}_other")
    for method, path in (("POST", "/replay"), ("DELETE", "")):
        other = await shop.call(method, f"{LETTERS}/{letter['id']}{path}", key=key)
        assert (other.status, other.json["code"]) == (404, "not_found")
    reading = await shop.stack.key(shop.store_id, scopes="read")
    refused = await shop.call("POST", f"{LETTERS}/{letter['id']}/replay", key=reading)
    assert refused.json["required"] == "manage"
    await asyncio.to_thread(shop.stack.run, "dead-letters", "drop", place_of(dead))
    await letters(shop, 0)
    handled = await shop.call("POST", f"{LETTERS}/{letter['id']}/replay")
    assert "already dropped" in handled.json["detail"]


async def test_a_record_that_is_not_kept_whole_is_left_to_operators(shop: Shop) -> None:
    order_with_lines = shop.order("o1", total="-1", note="x" * 70_000)
    await shop.dead_letter(await shop.publish(order_with_lines))
    (letter,) = await letters(shop, 1)
    assert letter["truncated"]
    refused = await shop.call("POST", f"{LETTERS}/{letter['id']}/replay")
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert "operator to replay order.completed.dlq:0:" in refused.json["detail"]
    assert len(await letters(shop, 1)) == 1
    assert (await shop.call("DELETE", f"{LETTERS}/{letter['id']}")).status == 204


async def test_a_skipped_order_counts_with_its_waiting_refund_when_it_is_checked_again(
    shop: Shop,
) -> None:
    await shop.publish(shop.order("o1"))
    await order(shop, "o1", "skipped")
    await shop.publish(shop.order("o1", **REFUND), topic=ORDER_REFUNDED)

    async def waiting() -> Any:
        (only,) = (await fetch(shop, "loyalty/refunds?state=waiting"))["data"]
        return only

    refund = await eventually(waiting)
    assert {name: refund[name] for name in ("refund_id", "order_id", "customer_id", "amount")} == {
        "refund_id": "r1",
        "order_id": "o1",
        "customer_id": "cust_1",
        "amount": "20.00",
    }
    await shop.program()
    body = {"order_ids": ["o1", "unknown"]}
    responses = await asyncio.gather(
        *(shop.call("POST", "loyalty/orders/recheck", body) for _ in range(4)),
        shop.publish(shop.order("o1")),
    )
    for response in responses[:4]:
        checked, unknown = response.json["data"]
        assert (checked["status"], checked["order"]["state"]) == (200, "counted")
        assert (checked["order"]["award"], checked["order"]["clawed_back"]) == (500, 200)
        assert (unknown["status"], unknown["problem"]["code"]) == (404, "not_found")
    await shop.balance_becomes(300)
    page = await fetch(shop, "loyalty/refunds?state=counted&order_id=o1&customer_id=cust_1")
    (counted,) = page["data"]
    assert (counted["id"], counted["clawed_back"]) == (refund["id"], 200)
    transactions = await fetch(shop, "loyalty/transactions?order_id=o1")
    assert [one["type"] for one in transactions["data"]] == ["refund", "earn"]
    assert counted["transaction_id"] == transactions["data"][0]["id"]


async def test_an_order_that_still_does_not_qualify_says_what_does_not_fit(shop: Shop) -> None:
    await shop.publish(shop.order("o1", currency="EUR", program_id="loy_x"))
    before = await order(shop, "o1", "skipped")
    assert before["skip_reason"] == "no_program"

    async def check() -> Any:
        response = await shop.call("POST", "loyalty/orders/recheck", {"order_ids": ["o1"]})
        (verdict,) = response.json["data"]
        return verdict["order"]

    await shop.program()
    unknown = await check()
    assert (unknown["state"], unknown["skip_reason"]) == ("skipped", "unknown_program")
    assert unknown["skip_detail"] == (
        "The order names the program loy_x, which this store does not have."
    )
    assert await check() == unknown
    await shop.publish(shop.order("o1", currency="EUR"))

    async def other_currency() -> None:
        assert (await order(shop, "o1", "skipped"))["skip_detail"] == (
            "The order is in EUR, the program in USD."
        )

    await eventually(other_currency)
    await shop.earn("cust_1", 5)
    await shop.call("PATCH", "loyalty/customers/cust_1", {"status": "suspended"})
    assert (await check())["state"] == "held"


async def test_refunds_come_in_pages_and_a_conflict_says_why(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1", **REFUND), topic=ORDER_REFUNDED)
    other = shop.order("o1", **REFUND | {"refund_id": "r2"}, customer_id="cust_2")
    await shop.publish(other, topic=ORDER_REFUNDED)

    async def both_wait() -> None:
        assert (await fetch(shop, "loyalty/refunds"))["total"] == 2

    await eventually(both_wait)
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(300)
    first = await fetch(shop, "loyalty/refunds?limit=1")
    second = await fetch(shop, f"loyalty/refunds?limit=1&starting_after={first['data'][0]['id']}")
    assert (first["has_more"], second["has_more"], second["total"]) == (True, False, 2)
    by_id = {one["refund_id"]: one for one in first["data"] + second["data"]}
    assert by_id["r1"]["state"] == "counted"
    assert by_id["r2"]["state"] == "conflict"
    assert by_id["r2"]["detail"] == "The order o1 belongs to another customer."
    assert (await fetch(shop, "loyalty/refunds?customer_id=cust_2"))["total"] == 1
    assert (await fetch(shop, "loyalty/refunds?customer_id=cust_3"))["data"] == []
    for query in ("starting_after=rfd_1", "starting_after=r1", "state=lost"):
        assert (await shop.call("GET", f"loyalty/refunds?{query}")).status == 400


@pytest.mark.parametrize(
    ("path", "name"), [("dead-letters/replay", "ids"), ("orders/recheck", "order_ids")]
)
async def test_a_list_of_ids_has_1_to_500_valid_ids(shop: Shop, path: str, name: str) -> None:
    for ids, pointer in (
        ([], f"#/{name}"),
        (["x"] * 501, f"#/{name}"),
        (["o1", ""], f"#/{name}/1"),
    ):
        refused = await shop.call("POST", f"loyalty/{path}", {name: ids})
        assert [fault["pointer"] for fault in refused.json["errors"]] == [pointer]
