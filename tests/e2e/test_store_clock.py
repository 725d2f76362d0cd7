"""The store's clock on a local system: what it moves, what it leaves, and how it may be moved."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.contracts.topics import ORDER_REFUNDED, POINTS_ADJUSTED
from libs.kernel.clock import format_time, parse_time, utc_now
from libs.testing.eventually import eventually
from tests.contract.test_request_checks import assert_problem
from tests.support import Shop

CLOCK = "loyalty/clock"
AHEAD = timedelta(days=400)
SECOND = timedelta(seconds=1)


async def read(shop: Shop) -> tuple[datetime, int]:
    """What the store's clock shows, and by how many seconds it is ahead."""
    response = await shop.call("GET", CLOCK)
    assert response.status == 200, response.raw
    return parse_time(response.json["now"]), response.json["shifted_by_seconds"]


async def move(shop: Shop, moment: datetime, **headers: str) -> Any:
    response = await shop.call("PUT", CLOCK, {"now": format_time(moment)}, headers=headers)
    assert response.status == 200, response.raw
    return response.json


@pytest.fixture
async def ahead(rich: Shop) -> tuple[Shop, datetime]:
    """A store with a customer, whose clock was moved forward by 400 days, and where it was moved to."""
    moment = utc_now() + AHEAD
    await move(rich, moment)
    return rich, moment


async def test_the_clock_shows_the_real_time_until_it_is_moved_and_then_goes_on(
    shop: Shop,
) -> None:
    before = utc_now()
    now, shifted = await read(shop)
    assert (before <= now <= utc_now() + SECOND, shifted) == (True, 0)
    moment = utc_now() + AHEAD
    moved = await move(shop, moment, **{"Idempotency-Key": "k1"})
    assert moved["now"] == format_time(moment)
    assert 0 <= AHEAD.total_seconds() - moved["shifted_by_seconds"] < 5
    later, shifted = await read(shop)
    assert (later > moment, shifted) == (True, moved["shifted_by_seconds"])
    again = await move(shop, moment + AHEAD)
    assert again["shifted_by_seconds"] > moved["shifted_by_seconds"]
    assert await move(shop, moment, **{"Idempotency-Key": "k1"}) == moved
    assert (await read(shop))[0] > moment + AHEAD


async def test_a_clock_moves_forward_only_up_to_20_years_and_by_a_key_with_admin(
    shop: Shop,
) -> None:
    moment = utc_now() + AHEAD
    await move(shop, moment)
    earlier = await shop.call("PUT", CLOCK, {"now": format_time(moment - SECOND)})
    assert_problem(earlier, 409, "conflict")
    invalid: tuple[Any, ...] = (
        {"now": format_time(utc_now() + timedelta(days=20 * 365 + 6))},
        {"now": "2027-01-01"},
        {"now": "2027-01-01T00:00:00"},
        {"now": None},
        {},
    )
    for body in invalid:
        refused = await shop.call("PUT", CLOCK, body)
        assert_problem(refused, 400, "invalid_request")
        assert [fault["pointer"] for fault in refused.json["errors"]] == ["#/now"], body
    others = await shop.stack.key(shop.store_id, scopes="read,earn,redeem,manage")
    for method, body in (("GET", None), ("PUT", {"now": format_time(moment + AHEAD)})):
        assert_problem(await shop.call(method, CLOCK, body, key=others), 403, "insufficient_scope")
    assert (await read(shop))[0] < moment + AHEAD
    other = await shop.stack.key(f"{shop.store_id}_other")
    elsewhere = await shop.call("GET", CLOCK, key=other)
    assert elsewhere.json["shifted_by_seconds"] == 0
    furthest = utc_now() + timedelta(days=20 * 365)
    assert (await move(shop, furthest))["now"] == format_time(furthest)


async def test_what_is_posted_has_the_time_of_the_stores_clock(
    ahead: tuple[Shop, datetime],
) -> None:
    shop, moment = ahead
    await shop.earn("cust_1", 10)
    correction = {"customer_id": "cust_1", "points": -5, "reason": "Entered twice"}
    await shop.call("POST", "loyalty/adjust", correction)
    reward = {"name": "Free Shipping", "points_cost": 500, "type": "shipping"}
    created = (await shop.call("POST", "loyalty/rewards", reward)).json
    assert parse_time(created["created_at"]) < moment - SECOND
    body = {"customer_id": "cust_1", "reward_id": created["id"]}
    redeemed = (await shop.call("POST", "loyalty/redeem", body)).json
    await shop.call("POST", f"loyalty/redemptions/{redeemed['redemption_id']}/cancel")
    since = format_time(moment)
    listed = (await shop.call("GET", f"loyalty/transactions?created_after={since}")).json["data"]
    assert [one["type"] for one in listed] == ["cancel", "redeem", "adjust", "earn"]
    until = moment + timedelta(seconds=60)
    for one in listed:
        assert moment <= parse_time(one["occurred_at"]) < until
        assert moment <= parse_time(one["created_at"]) < until
    earlier = await shop.call("GET", f"loyalty/transactions?created_before={since}")
    assert [one["points"] for one in earlier.json["data"]] == [3_500]
    (event, headers), *_ = await shop.read_events(POINTS_ADJUSTED, count=1)
    assert event["created_at"] == listed[2]["created_at"]
    assert headers["ce_id"] == listed[2]["id"]
    days = (await shop.call("GET", "loyalty/summary")).json

    async def has_the_new_day() -> None:
        days = (await shop.call("GET", "loyalty/summary")).json
        assert [one["date"] for one in days["days"]] == [str(moment.date())]

    await eventually(has_the_new_day)
    assert days["customers"] == 1


async def test_customers_programs_and_their_changes_have_the_time_of_the_stores_clock(
    ahead: tuple[Shop, datetime],
) -> None:
    shop, moment = ahead
    (first,) = (await shop.call("GET", "loyalty-programs")).json["data"]
    second = await shop.program(name="Second")
    assert parse_time(second["created_at"]) >= moment
    await shop.call("PATCH", f"loyalty-programs/{first['id']}", {"name": "Renamed"})
    listed = (await shop.call("GET", "loyalty-programs")).json["data"]
    assert [(one["name"], one["is_default"]) for one in listed] == [
        ("Renamed", True),
        ("Second", False),
    ]
    versions = await shop.call("GET", f"loyalty-programs/{first['id']}/versions")
    newest, oldest = (parse_time(one["changed_at"]) for one in versions.json["data"])
    assert oldest < moment <= newest
    await shop.earn("cust_new", 10)
    changed = await shop.call("PATCH", "loyalty/customers/cust_new", {"status": "suspended"})
    for name in ("member_since", "status_changed_at"):
        assert parse_time(changed.json[name]) >= moment


async def test_events_are_bound_to_the_stores_clock_over_kafka_and_rest(
    ahead: tuple[Shop, datetime],
) -> None:
    shop, moment = ahead
    ended = format_time(moment + timedelta(hours=23))
    late = format_time(moment + timedelta(hours=25))
    await shop.publish(shop.order("in-time", completed_at=ended))
    await shop.publish(shop.order("skipped", completed_at=ended, currency="EUR"))
    place = await shop.publish(shop.order("late", completed_at=late))
    refund = shop.order("in-time", refund_id="r1", amount="10", refunded_at=ended)
    await shop.publish(refund, topic=ORDER_REFUNDED)
    letter = await shop.dead_letter(place)
    assert letter.headers["dlq-code"] == b"invalid"
    assert letter.headers["dlq-detail"] == (
        b"completed_at: must not be more than 24 hours in the future"
    )
    await shop.balance_becomes(3_900)
    orders = (await shop.call("GET", "loyalty/orders")).json["data"]
    recorded = {one["order_id"]: parse_time(one["recorded_at"]) for one in orders}
    assert recorded["in-time"] >= moment
    assert recorded["skipped"] >= moment
    (returned,) = (await shop.call("GET", "loyalty/refunds")).json["data"]
    assert parse_time(returned["recorded_at"]) >= moment
    sent = [
        {
            "specversion": "1.0",
            "id": f"evt-{name}",
            "source": "/shop",
            "type": "order.completed",
            "data": shop.order(name, completed_at=time),
        }
        for name, time in (("sent", ended), ("sent-late", late))
    ]
    response = await shop.call(
        "POST", "events", sent, headers={"Content-Type": "application/cloudevents-batch+json"}
    )
    assert [one["status"] for one in response.json["data"]] == [202, 400]
    await shop.balance_becomes(4_400)


async def test_an_order_ahead_of_the_real_time_is_refused_in_a_store_whose_clock_was_not_moved(
    rich: Shop,
) -> None:
    completed_at = format_time(utc_now() + timedelta(hours=25))
    place = await rich.publish(rich.order("late", completed_at=completed_at))
    assert (await rich.dead_letter(place)).headers["dlq-code"] == b"invalid"


async def test_a_store_without_a_program_has_a_clock_too(shop: Shop) -> None:
    moment = utc_now() + AHEAD
    await move(shop, moment)
    gift = {"customer_id": "cust_1", "points": 5, "reason": "Welcome"}
    adjusted = (await shop.call("POST", "loyalty/adjust", gift)).json
    assert parse_time(adjusted["created_at"]) >= moment
