"""Lists of customers, the summary, and the list of skipped orders."""

from typing import Any

from libs.contracts.topics import ORDER_REFUNDED
from libs.testing.eventually import eventually
from services.earning.handlers import summary as summaries
from tests.contract.test_request_checks import assert_problem
from tests.e2e.test_refunds import refund
from tests.support import Shop


async def test_customers_are_listed_by_id_and_filtered_by_prefix_tier_and_status(
    shop: Shop,
) -> None:
    await shop.program()
    for customer, points in (("a_1", 10), ("a_2", 6_000), ("b_1", 7_000), ("aB", 5)):
        await shop.earn(customer, points)
    await shop.call("PATCH", "loyalty/customers/b_1", {"status": "suspended"})

    async def ids(query: str) -> list[str]:
        page = (await shop.call("GET", f"loyalty/customers?{query}")).json
        assert page["total"] >= len(page["data"])
        assert all("transactions" not in item for item in page["data"])
        return [item["customer_id"] for item in page["data"]]

    assert await ids("") == ["aB", "a_1", "a_2", "b_1"]
    assert await ids("query=a_") == ["a_1", "a_2"]
    assert await ids("tier=Silver") == ["a_2", "b_1"]
    assert await ids("tier=Platinum") == []
    assert await ids("tier=Wood") == []
    assert await ids("status=suspended") == ["b_1"]
    page = (await shop.call("GET", "loyalty/customers")).json["data"]
    assert [item.get("status_by") for item in page] == [None, None, None, "test"]
    assert await ids("limit=1&starting_after=a_1") == ["a_2"]
    unknown = await shop.call("GET", "loyalty/customers?starting_after=unknown")
    assert_problem(unknown, 400, "invalid_request")


async def test_the_summary_shows_days_customers_and_tiers(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1", completed_at="2026-03-10T23:59:59Z"))
    await shop.publish(shop.order("o2", completed_at="2026-03-11T00:00:00Z", customer_id="cust_2"))
    await shop.balance_becomes(500)
    await shop.publish(refund(shop, "r1", amount="10.00"), topic=ORDER_REFUNDED)
    await shop.balance_becomes(400)
    await shop.call(
        "POST", "loyalty/adjust", {"customer_id": "cust_1", "points": -150, "reason": "x"}
    )

    async def is_folded() -> Any:
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
                    "adjusted": 0,
                    "outstanding": 500,
                    "joined": 1,
                },
                {
                    "date": "2026-03-11",
                    "issued": 500,
                    "redeemed": 0,
                    "taken_back": 100,
                    "expired": 0,
                    "active_customers": 2,
                    "adjusted": 0,
                    "outstanding": 900,
                    "joined": 1,
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
            "first_day": "2026-03-10",
            "last_day": summary["last_day"],
        }
        return summary

    # A summary is at most this old, apart from a busy machine.
    assert summaries._FOLD_SECONDS + summaries._TOTALS_SECONDS < 5
    summary = await eventually(is_folded)
    # The adjustment is the only posting of today, in UTC.
    (today,) = (await shop.call("GET", "loyalty/summary")).json["days"]
    assert today["date"] == summary["last_day"]
    assert (today["adjusted"], today["outstanding"], today["joined"]) == (-150, 750, 0)


async def test_the_summary_of_a_store_without_postings_has_no_first_day(shop: Shop) -> None:
    summary = (await shop.call("GET", "loyalty/summary")).json
    assert (summary["days"], summary["first_day"], summary["last_day"]) == ([], None, None)


async def test_an_invalid_range_of_days_is_refused(shop: Shop) -> None:
    for query in ("from=2026-03-12&to=2026-03-11", "from=yesterday", "to=2026-02-30"):
        assert_problem(await shop.call("GET", f"loyalty/summary?{query}"), 400, "invalid_request")


async def test_skipped_orders_are_listed_with_their_reasons(shop: Shop) -> None:
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(0)
    assert f"{shop.store_id}  o1  no_program" in shop.stack.run("orders", "--skipped").stdout
