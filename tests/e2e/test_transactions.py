"""Lists of transactions: by the time of the events, by ids, and what they say beyond the entry."""

from typing import Any

import pytest

from libs.contracts.topics import ORDER_REFUNDED
from tests.contract.test_request_checks import assert_problem
from tests.e2e.test_refunds import refund
from tests.support import Shop


async def listed(shop: Shop, query: str) -> Any:
    response = await shop.call("GET", f"loyalty/transactions?{query}")
    assert response.status == 200, response.raw
    return response.json


async def test_a_customers_transactions_are_searched_and_ordered_by_the_time_of_the_event(
    shop: Shop,
) -> None:
    await shop.program()
    # Posted in another order than they happened; two happened at the same moment.
    days = (12, 10, 14, 10, 11)
    for number, day in enumerate(days):
        completed_at = f"2026-03-{day}T12:00:00Z"
        await shop.publish(shop.order(f"o{number}", completed_at=completed_at))
    await shop.balance_becomes(500 * len(days))
    await shop.publish(shop.order("other", customer_id="cust_2"))

    async def orders(query: str) -> list[str]:
        page = await listed(shop, f"customer_id=cust_1&{query}")
        return [one["order_id"] for one in page["data"]]

    ascending = ["o1", "o3", "o4", "o0", "o2"]
    assert await orders("order=occurred_at") == ascending
    assert await orders("order=-occurred_at") == ascending[::-1]
    assert await orders("") == ["o4", "o3", "o2", "o1", "o0"]
    span = "occurred_after=2026-03-10T12:00:00.001Z&occurred_before=2026-03-12T12:00:00Z"
    assert await orders(f"{span}&order=occurred_at") == ["o4", "o0"]
    for order, expected in (("occurred_at", ascending), ("-occurred_at", ascending[::-1])):
        walked: list[str] = []
        cursor = ""
        while True:
            query = f"customer_id=cust_1&order={order}&limit=1{cursor}"
            page = await listed(shop, query)
            assert page["total"] == len(days)
            walked += [one["order_id"] for one in page["data"]]
            if not page["has_more"]:
                break
            cursor = f"&starting_after={page['data'][-1]['id']}"
        assert walked == expected


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("occurred_after=2026-03-10T12:00:00Z", "occurred_after"),
        ("occurred_before=2026-03-10T12:00:00Z", "occurred_before"),
        ("order=occurred_at", "order"),
        ("order=points&customer_id=cust_1", "order"),
        ("occurred_after=today&customer_id=cust_1", "occurred_after"),
        ("ids=", "ids"),
        ("ids=txn_1,,txn_2", "ids"),
        (f"ids={','.join(['txn_1'] * 101)}", "ids"),
    ],
)
async def test_a_search_that_no_index_serves_or_nobody_can_mean_is_refused(
    shop: Shop, query: str, parameter: str
) -> None:
    response = await shop.call("GET", f"loyalty/transactions?{query}")
    assert_problem(response, 400, "invalid_request")
    assert [error["parameter"] for error in response.json["errors"]] == [parameter]


async def test_transactions_are_fetched_by_their_ids(shop: Shop) -> None:
    await shop.program()
    ids = [(await shop.earn(f"cust_{number}", 10)).json["id"] for number in range(3)]
    page = await listed(shop, f"ids={ids[0]},txn_unknown,{ids[2]}")
    assert ([one["id"] for one in page["data"]], page["total"]) == ([ids[2], ids[0]], 2)
    page = await listed(shop, f"customer_id=cust_2&ids={','.join(ids)}")
    assert [one["id"] for one in page["data"]] == [ids[2]]
    assert (await listed(shop, "ids=txn_unknown"))["total"] == 0


async def test_an_earning_shows_what_was_clawed_back_and_a_manual_entry_who_posted_it(
    shop: Shop,
) -> None:
    await shop.program()
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(500)
    await shop.publish(refund(shop, "r1", amount="10.00"), topic=ORDER_REFUNDED)
    await shop.balance_becomes(400)
    earned = (await shop.earn("cust_1", 50)).json
    adjustment = {"customer_id": "cust_1", "points": -20, "reason": "Correction"}
    adjusted = (await shop.call("POST", "loyalty/adjust", adjustment)).json
    assert list(earned)[-3:] == ["occurred_at", "clawed_back", "posted_by"]
    assert (earned["clawed_back"], earned["posted_by"]) == (0, "test")
    assert (adjusted["posted_by"], "clawed_back" in adjusted) == ("test", False)
    data = (await listed(shop, "customer_id=cust_1"))["data"]
    assert data[:2] == [adjusted, earned]
    refunded, order = data[2:]
    assert "clawed_back" not in refunded
    assert (order["clawed_back"], "posted_by" in order, "anomaly_id" in order) == (
        100,
        False,
        False,
    )
    for one in data:
        assert (await shop.call("GET", f"loyalty/transactions/{one['id']}")).json == one


async def test_the_times_of_events_reach_from_the_first_to_the_last_year(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 10)
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"
    for after, before, total in ((first, last, 1), (last, last, 0), (first, first, 0)):
        query = f"customer_id=cust_1&occurred_after={after}&occurred_before={before}"
        assert (await listed(shop, query))["total"] == total
