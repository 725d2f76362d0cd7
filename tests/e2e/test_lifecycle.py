"""Points that wait and expire, over the API and Kafka: a shop sets both, and lives through two years."""

from typing import Any

from libs.contracts.topics import ORDER_FULFILLED, ORDER_REFUNDED, POINTS_ADJUSTED
from libs.kernel.clock import utc_now
from libs.testing.eventually import eventually
from tests.contract.test_request_checks import assert_problem
from tests.e2e.test_fulfillments import fulfillment
from tests.e2e.test_once_in_effect import audit
from tests.e2e.test_refunds import refund
from tests.redeeming import give_reward, redeem
from tests.support import Shop

SHOWN = ("type", "points", "balance_after", "pending", "covered", "available_at", "lots")


async def go_to(shop: Shop, moment: str) -> None:
    response = await shop.call("PUT", "loyalty/clock", {"now": moment})
    assert response.status == 200, response.raw


async def entries(shop: Shop, *, count: int) -> list[dict[str, Any]]:
    """Wait until there are `count` transactions; returns what they say about time, oldest first."""

    async def look() -> list[dict[str, Any]]:
        data: list[dict[str, Any]] = (await shop.call("GET", "loyalty/transactions")).json["data"]
        assert len(data) == count, data
        return [{name: one[name] for name in SHOWN if name in one} for one in reversed(data)]

    return await eventually(look)


async def test_points_wait_are_released_spent_and_expire(shop: Shop) -> None:
    # In New York summer time begins within the 14 days.
    year = utc_now().year + 2
    await go_to(shop, f"{year}-03-01T05:00:00Z")
    await shop.program(
        time_zone="America/New_York",
        expiry={"kind": "after", "months": 12},
        pending={"days": 14},
    )
    reward = await give_reward(shop, points_cost=120)
    await shop.publish(shop.order("o1", completed_at=f"{year}-03-01T04:30:00Z"))
    available_at = f"{year}-03-15T04:00:00.000Z"
    pend = {"type": "pend", "points": 0, "balance_after": 0, "pending": 500}
    expected: list[dict[str, Any]] = [pend | {"available_at": available_at}]
    assert await entries(shop, count=1) == expected
    waiting = (await shop.call("GET", "loyalty/orders?state=pending")).json["data"]
    assert [(one["order_id"], one["award"], one["pending"]) for one in waiting] == [
        ("o1", 500, 500)
    ]
    assert_problem(await redeem(shop, reward["id"]), 409, "insufficient_points")

    await go_to(shop, available_at)
    await shop.earn("cust_1", 10)
    await redeem(shop, reward["id"])
    last_day = f"{year + 1}-03-15"
    release = {"type": "earn", "points": 500, "balance_after": 500, "pending": -500}
    expected += [
        release | {"available_at": available_at, "lots": lot(500, last_day)},
        {"type": "earn", "points": 10, "balance_after": 510, "lots": lot(10, last_day)},
        {"type": "redeem", "points": -120, "balance_after": 390, "lots": lot(120, last_day)},
    ]
    assert await entries(shop, count=4) == expected
    assert (await shop.call("GET", "loyalty/orders?state=pending")).json["data"] == []

    # Of the last day everything can be spent, and nothing after it. What expires stays with the refusal.
    await go_to(shop, f"{year + 1}-03-16T03:00:00Z")
    await redeem(shop, reward["id"])
    await go_to(shop, f"{year + 1}-03-16T04:00:00Z")
    assert_problem(await redeem(shop, reward["id"]), 409, "insufficient_points")
    # What expired covers 270 of the refund; 230 were spent.
    returned = refund(shop, "r1", refunded_at=f"{year + 1}-03-16T04:00:00Z")
    await shop.publish(returned, topic=ORDER_REFUNDED)
    expected += [
        {"type": "redeem", "points": -120, "balance_after": 270, "lots": lot(120, last_day)},
        {"type": "expire", "points": -270, "balance_after": 0, "lots": lot(270, last_day)},
        {"type": "refund", "points": -230, "balance_after": -230, "covered": 270},
    ]
    assert await entries(shop, count=7) == expected
    (expired,) = (await shop.call("GET", "loyalty/transactions?type=expire")).json["data"]
    assert expired["reason"] == f"Expired on {last_day}"
    assert expired["occurred_at"] == f"{year + 1}-03-16T04:00:00.000Z"
    events = await shop.read_events(POINTS_ADJUSTED, count=3)
    assert [(event["type"], event.get("pending"), event.get("covered")) for event, _ in events] == [
        *(("pend", 500, None), ("expire", None, None), ("refund", None, 270)),
    ]
    await audit(shop.stack, shop.store_id)


def lot(points: int, expires_on: str) -> list[dict[str, Any]]:
    return [{"points": points, "expires_on": expires_on}]


async def test_points_wait_for_the_fulfillment_until_the_program_says_otherwise(shop: Shop) -> None:
    program = await shop.program(pending={"days": 0, "from": "fulfilled"})
    now = utc_now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
    await shop.publish(shop.order("o1", completed_at=now))
    pend = {"type": "pend", "points": 0, "balance_after": 0, "pending": 500}
    assert await entries(shop, count=1) == [pend]
    path = f"loyalty-programs/{program['id']}"
    await shop.call("PATCH", path, {"pending": None})
    await shop.publish(shop.order("o2", completed_at=now))
    await shop.balance_becomes(500)
    # The setting in force when the order was posted decides.
    await shop.publish(fulfillment(shop, "o1", fulfilled_at=now), topic=ORDER_FULFILLED)
    assert await entries(shop, count=3) == [
        pend,
        {"type": "earn", "points": 500, "balance_after": 500},
        {
            "type": "earn",
            "points": 500,
            "balance_after": 1_000,
            "pending": -500,
            "available_at": now,
        },
    ]
    assert (await shop.status())["lifetime_points"] == 1_000
    await audit(shop.stack, shop.store_id)
