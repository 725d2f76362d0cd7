"""What became of an order, over REST and by `tools why`: also of orders that earned nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from libs.contracts.topics import ORDER_REFUNDED
from libs.testing.eventually import eventually
from tests.support import Shop


async def orders(shop: Shop, query: str = "", **more: Any) -> Any:
    """A page of the store's orders."""
    response = await shop.call("GET", f"loyalty/orders?{query}", **more)
    assert response.status == 200, response.raw
    return response.json


async def order(shop: Shop, order_id: str) -> Any:
    """The one order with this id, once it is known."""

    async def look() -> Any:
        (only,) = (await orders(shop, f"order_id={order_id}"))["data"]
        return only

    return await eventually(look)


async def why(shop: Shop, order_id: str) -> str:
    """What the command says of the order."""
    words = ("why", "--store", shop.store_id, "--order", order_id)
    return (await asyncio.to_thread(shop.stack.run, *words)).stdout


@pytest.fixture
async def store(shop: Shop) -> Shop:
    """A store with a program, and orders of all kinds: each that earned nothing for another reason."""
    await shop.publish(shop.order("early", customer_id="cust_early"))
    assert (await order(shop, "early"))["skip_reason"] == "no_program"
    await shop.program()
    await shop.earn("cust_held", 5)
    await shop.call("PATCH", "loyalty/customers/cust_held", {"status": "suspended"})
    kinds: tuple[dict[str, Any], ...] = (
        {"order_id": "posted", "order_number": "#1042"},
        {"order_id": "foreign", "currency": "EUR"},
        {"order_id": "cents", "total": "0.05"},
        {"order_id": "free", "total": 0},
        {"order_id": "held", "customer_id": "cust_held"},
        {"order_id": "negative", "total": "-1"},
        {"order_id": "guest", "customer_id": ""},
    )
    for number, changes in enumerate(kinds):
        await shop.publish(shop.order(str(number), **changes))
        if changes["order_id"] != "guest":
            await order(shop, str(changes["order_id"]))
    return shop


def outcome(listed: Any) -> list[Any]:
    return [listed["state"], listed.get("skip_reason", listed.get("zero_reason")), listed["award"]]


async def test_each_order_that_earned_nothing_is_found_with_its_reason_in_one_request(
    store: Shop,
) -> None:
    listed = await orders(store)
    assert [(one["order_id"], *outcome(one)) for one in listed["data"]] == [
        ("negative", "refused", None, 0),
        ("held", "held", None, 0),
        ("free", "counted", "total_is_zero", 0),
        ("cents", "counted", "below_one_point", 0),
        ("foreign", "skipped", "other_currency", 0),
        ("posted", "counted", None, 500),
        ("early", "skipped", "no_program", 0),
    ]
    assert (listed["total"], listed["has_more"]) == (7, False)
    for one in listed["data"]:
        assert await order(store, one["order_id"]) == one
    assert (await orders(store, "order_id=guest"))["data"] == []
    for text, order_id in (
        ("is skipped: the store had no program", "early"),
        ("currency: EUR", "foreign"),
        ("less than one point", "cents"),
        ("account is suspended", "held"),
        ("dead-letters show order.completed.dlq:0:", "negative"),
        ("it earned 500 points", "posted"),
    ):
        assert text in await why(store, order_id), order_id


async def test_a_posted_order_shows_how_it_was_priced_and_what_became_of_its_points(
    store: Shop,
) -> None:
    posted = await order(store, "posted")
    (program,) = (await store.call("GET", "loyalty-programs")).json["data"]
    (earned,) = (await store.call("GET", "loyalty/transactions?order_id=posted")).json["data"]
    assert posted == {
        "order_id": "posted",
        "order_number": "1042",
        "customer_id": "cust_1",
        "state": "counted",
        "total": "50.00",
        "currency": "USD",
        "program_id": program["id"],
        "tier": "Bronze",
        "multiplier": 1.0,
        "award": 500,
        "pending": 0,
        "clawed_back": 0,
        "refunded": "0",
        "transaction_id": earned["id"],
        "completed_at": "2026-03-10T12:00:00.000Z",
        "recorded_at": earned["created_at"],
    }
    refund = store.order("posted", refund_id="r1", amount="20", refunded_at="2026-03-11T12:00:00Z")
    await store.publish(refund, topic=ORDER_REFUNDED)
    await store.balance_becomes(300)
    refunded = await order(store, "posted")
    assert refunded == posted | {"clawed_back": 200, "refunded": "20.00"}


async def walk(shop: Shop, query: str = "") -> list[str]:
    """The ids on all pages of one order each."""
    ids: list[str] = []
    after = ""
    while True:
        page = await orders(shop, f"limit=1{query}{after}")
        ids += [one["order_id"] for one in page["data"]]
        if not page["has_more"]:
            return ids
        after = f"&starting_after={ids[-1]}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            "",
            ["negative", "held", "free", "cents", "foreign", "posted", "early"],
            id="all",
        ),
        pytest.param("&state=counted", ["free", "cents", "posted"], id="counted"),
        pytest.param("&state=held", ["held"], id="held"),
        pytest.param("&state=skipped", ["foreign", "early"], id="skipped"),
        pytest.param("&state=refused", ["negative"], id="refused"),
        pytest.param("&state=pending", [], id="pending"),
        pytest.param(
            "&customer_id=cust_1",
            ["negative", "free", "cents", "foreign", "posted"],
            id="of a customer",
        ),
        pytest.param("&customer_id=cust_1&state=skipped", ["foreign"], id="of both"),
        pytest.param("&customer_id=cust_nobody", [], id="of an unknown customer"),
        pytest.param("&order_id=foreign&state=held", [], id="of another state"),
        pytest.param("&order_id=posted&state=pending", [], id="one that waits for nothing"),
        pytest.param("&order_id=foreign&customer_id=cust_held", [], id="of another customer"),
        pytest.param("&order_id=unknown", [], id="an unknown order"),
    ],
)
async def test_the_list_comes_in_pages_and_can_be_filtered(
    store: Shop, query: str, expected: Sequence[str]
) -> None:
    assert await walk(store, query) == expected
    page = await orders(store, query)
    assert (page["total"], len(page["data"])) == (len(expected), len(expected))


async def test_orders_of_one_batch_are_each_on_one_page(shop: Shop) -> None:
    """Orders that are recorded together have the same time, whether they earn, are skipped or refused."""
    await shop.program()
    kinds = [{}, {"currency": "EUR"}, {"total": "0.01"}, {"total": "-1"}]
    events = [shop.order(f"o{number}", **kinds[number % 4]) for number in range(24)]
    await shop.publish_all(events)
    expected = sorted(str(event["order_id"]) for event in events)

    async def all_are_listed() -> None:
        assert (await orders(shop))["total"] == len(events)

    await eventually(all_are_listed)
    assert sorted(await walk(shop)) == expected


async def test_an_unknown_cursor_and_an_invalid_filter_are_refused(store: Shop) -> None:
    for query, parameter in (
        ("starting_after=unknown", "starting_after"),
        ("starting_after=held&customer_id=cust_1", "starting_after"),
        ("state=lost", "state"),
        ("order_id=%0A", "order_id"),
    ):
        refused = await store.call("GET", f"loyalty/orders?{query}")
        assert [fault["parameter"] for fault in refused.json["errors"]] == [parameter]


async def test_an_order_that_counts_later_moves_to_its_posting(store: Shop) -> None:
    skipped = await order(store, "early")
    await store.publish(store.order("early", customer_id="cust_early"))
    await store.balance_becomes(500, "cust_early")
    counted = await order(store, "early")
    assert outcome(counted) == ["counted", None, 500]
    assert counted["recorded_at"] > skipped["recorded_at"]
    await store.call("PATCH", "loyalty/customers/cust_held", {"status": "active"})
    assert (await walk(store))[:2] == ["held", "early"]


async def test_an_order_lists_its_dead_letters(store: Shop) -> None:
    await store.publish(store.order("posted", total="60.00"))

    async def conflict() -> Any:
        (letter,) = (await order(store, "posted"))["dead_letters"]
        return letter

    letter = await eventually(conflict)
    assert (letter["code"], "another customer, total" in letter["detail"]) == ("conflict", True)
    page = (await store.call("GET", "loyalty/dead-letters")).json
    assert [(one["order_id"], one["code"]) for one in page["data"]] == [
        ("posted", "conflict"),
        ("negative", "invalid"),
    ]
    assert {name: page["data"][0][name] for name in letter} == letter
    assert (await walk(store)).count("posted") == 1
    assert await walk(store, "&state=refused") == ["negative"]
    await handle(store, await why(store, "posted"))

    async def without_letter() -> None:
        assert "dead_letters" not in await order(store, "posted")

    await eventually(without_letter)
    dropped = await store.call("GET", f"loyalty/dead-letters/{letter['id']}")
    assert (dropped.status, dropped.json["code"]) == (404, "not_found")


async def handle(shop: Shop, explanation: str) -> None:
    """Drop the letter that an explanation names."""
    place = explanation.rsplit("show ", 1)[1].strip()
    await asyncio.to_thread(shop.stack.run, "dead-letters", "drop", place)


async def test_a_letter_shows_its_record_only_to_a_key_that_manages(store: Shop) -> None:
    (letter,) = (await order(store, "negative"))["dead_letters"]
    path = f"loyalty/dead-letters/{letter['id']}"
    reading = await store.stack.key(store.store_id, scopes="read")
    summary = (await store.call("GET", path, key=reading)).json
    assert list(summary) == [
        *("id", "topic", "code", "detail", "service", "customer_id", "order_id"),
        *("truncated", "dead_at"),
    ]
    whole = (await store.call("GET", path)).json
    assert {name: whole[name] for name in summary} == summary
    assert (whole["value_encoding"], whole["headers"]) == ("text", {})
    assert '"total": "-1"' in whole["value"]
    (other,) = (
        await store.call("GET", "loyalty/dead-letters?code=invalid&topic=order.completed")
    ).json["data"]
    assert other == summary
    assert (await store.call("GET", "loyalty/dead-letters?code=defect")).json["data"] == []


async def test_another_store_sees_neither_orders_nor_letters(store: Shop) -> None:
    (letter,) = (await order(store, "negative"))["dead_letters"]
    key = await store.stack.key(f"{store.store_id}_other")
    for query in ("", "order_id=posted", "order_id=negative"):
        assert (await orders(store, query, key=key))["data"] == []
    assert (await store.call("GET", "loyalty/dead-letters", key=key)).json["total"] == 0
    path = f"loyalty/dead-letters/{letter['id']}"
    assert (await store.call("GET", path, key=key)).status == 404


async def test_a_letter_whose_key_names_another_store_is_seen_by_none(shop: Shop) -> None:
    """The order after it, in the same partition, shows that the letter has been read."""
    key = b"store_of_another:cust_1"
    place = await shop.publish(shop.order("forged", total="-1"), key=key)
    await shop.dead_letter(place)
    await shop.publish(shop.order("mine", total="-1"))
    await order(shop, "mine")
    assert [one["order_id"] for one in (await orders(shop))["data"]] == ["mine"]
    assert (await shop.call("GET", "loyalty/dead-letters")).json["total"] == 1


async def test_the_transactions_of_an_order_are_what_it_earned_and_what_refunds_took(
    store: Shop,
) -> None:
    refund = store.order("posted", refund_id="r1", amount="20", refunded_at="2026-03-11T12:00:00Z")
    await store.publish(refund, topic=ORDER_REFUNDED)
    await store.balance_becomes(300)
    listed = (await store.call("GET", "loyalty/transactions?order_id=posted")).json
    assert [(one["type"], one["points"], one["order_id"]) for one in listed["data"]] == [
        ("refund", -200, "posted"),
        ("earn", 500, "posted"),
    ]
    assert listed["total"] == 2
    newest, oldest = listed["data"]
    for query in ("type=earn&customer_id=cust_1", f"starting_after={newest['id']}"):
        page = await store.call("GET", f"loyalty/transactions?order_id=posted&{query}")
        assert page.json["data"] == [oldest]
    for query in ("order_id=posted&customer_id=cust_held", "order_id=held", "order_id=unknown"):
        empty = (await store.call("GET", f"loyalty/transactions?{query}")).json
        assert (empty["data"], empty["total"]) == ([], 0)
    invalid = await store.call("GET", "loyalty/transactions?order_id=%0A")
    assert [fault["parameter"] for fault in invalid.json["errors"]] == ["order_id"]
