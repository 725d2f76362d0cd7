"""Concurrent and repeated redemptions, and those that an unavailable server interrupts."""

import asyncio
import contextlib
from collections import Counter
from typing import Any

import pytest

from libs.testing.eventually import eventually
from tests.e2e.test_once_in_effect import audit
from tests.redeeming import books_are_exact, give_reward, key, redeem, reward_arrives
from tests.support import ApiResponse, Shop
from tools.stack import kafka


async def test_32_requests_with_one_key_redeem_once(rich: Shop) -> None:
    reward = await give_reward(rich)
    responses = await asyncio.gather(
        *(redeem(rich, reward["id"], headers=key("once")) for _ in range(32))
    )
    assert {(response.status, response.raw) for response in responses} == {(201, responses[0].raw)}
    assert sum("Idempotency-Hit" not in response.headers for response in responses) == 1
    other = await redeem(rich, reward["id"], "cust_2", headers=key("once"))
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    redemption = responses[0].json["redemption_id"]
    reused = await rich.call(
        "POST", f"loyalty/redemptions/{redemption}/cancel", headers=key("once")
    )
    assert reused.json["code"] == "idempotency_key_reused"
    assert (await rich.status())["points_balance"] == 3_000
    assert await books_are_exact(rich.stack, rich.store_id) == {"confirmed": 1}


async def test_a_refusal_releases_its_key(rich: Shop) -> None:
    reward = await give_reward(rich, points_cost=4_000)
    first = await redeem(rich, reward["id"], headers=key("later"))
    assert first.json["code"] == "insufficient_points"
    await rich.earn("cust_1", 500)
    again = await redeem(rich, reward["id"], headers=key("later"))
    assert (again.status, again.json["balance_after"]) == (201, 0)
    assert "Idempotency-Hit" not in again.headers
    assert await books_are_exact(rich.stack, rich.store_id) == {"released": 1, "confirmed": 1}


async def keys_of(shop: Shop, count: int) -> list[str]:
    """Keys whose rates together allow a race."""
    return [await shop.stack.key(shop.store_id) for _ in range(count)]


async def race(shop: Shop, reward_id: str, customers: list[str]) -> Counter[str]:
    """One request for each of `customers`, all concurrently; returns how often each code came."""
    keys = await keys_of(shop, 1 + len(customers) // 100)
    responses = await asyncio.gather(
        *(
            redeem(shop, reward_id, customer, key=keys[number % len(keys)])
            for number, customer in enumerate(customers)
        )
    )
    return Counter(_outcome(response) for response in responses)


def _outcome(response: ApiResponse) -> str:
    problem = response.json
    return (
        problem.get("reason") or problem.get("code", "") if response.status != 201 else "redeemed"
    )


@pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
async def test_64_clients_on_a_balance_worth_k_redeem_k(rich: Shop, rounds: int) -> None:
    reward = await give_reward(rich)
    for number in range(rounds):
        customer, worth = f"cust_race_{number}", number % 7 + 1
        await rich.call(
            *("POST", "loyalty/adjust"),
            {"customer_id": customer, "points": 500 * worth + 499, "reason": "race"},
            key=await rich.stack.key(rich.store_id),
        )
        outcome = await race(rich, reward["id"], [customer] * 64)
        assert outcome == {"redeemed": worth, "insufficient_points": 64 - worth}
    await books_are_exact(rich.stack, rich.store_id)
    await audit(rich.stack, rich.store_id)


async def test_64_clients_on_a_stock_of_k_get_k_and_one_that_is_cancelled_comes_back(
    rich: Shop,
) -> None:
    await asyncio.gather(*(rich.earn(f"cust_{n}", 1_000) for n in range(64)))
    reward = await give_reward(rich, stock=5)
    customers = [f"cust_{n}" for n in range(64)]
    assert await race(rich, reward["id"], customers) == {"redeemed": 5, "out_of_stock": 59}
    one = (await rich.call("GET", "loyalty/redemptions?status=confirmed")).json["data"][0]
    keys = await keys_of(rich, 1)
    await rich.call("POST", f"loyalty/redemptions/{one['id']}/cancel", key=keys[0])
    assert await race(rich, reward["id"], customers) == {"redeemed": 1, "out_of_stock": 63}
    assert await books_are_exact(rich.stack, rich.store_id) == {"confirmed": 5, "cancelled": 1}


async def test_a_limit_of_one_holds_under_32_concurrent_requests(rich: Shop) -> None:
    reward = await give_reward(rich, per_customer_limit=1)
    assert await race(rich, reward["id"], ["cust_1"] * 32) == {"redeemed": 1, "limit_reached": 31}
    assert (await rich.status())["points_balance"] == 3_000


async def test_32_concurrent_cancellations_return_the_points_once(rich: Shop) -> None:
    reward = await give_reward(rich, stock=1)
    redemption = (await redeem(rich, reward["id"])).json["redemption_id"]
    path = f"loyalty/redemptions/{redemption}/cancel"
    responses = await asyncio.gather(*(rich.call("POST", path) for _ in range(32)))
    assert {(response.status, response.json["status"]) for response in responses} == {
        (200, "cancelled")
    }
    assert (await rich.status())["points_balance"] == 3_500
    assert await books_are_exact(rich.stack, rich.store_id) == {"cancelled": 1}


async def test_of_concurrent_cancelling_and_using_one_wins(rich: Shop) -> None:
    reward = await give_reward(rich, points_cost=1)
    for _ in range(10):
        redemption = (await redeem(rich, reward["id"])).json["redemption_id"]
        path = f"loyalty/redemptions/{redemption}"
        cancel, use = await asyncio.gather(
            rich.call("POST", f"{path}/cancel"), rich.call("POST", f"{path}/use")
        )
        assert sorted((cancel.status, use.status)) == [200, 409]
        final = (await rich.call("GET", path)).json["status"]
        assert final == ("cancelled" if cancel.status == 200 else "used")
    await books_are_exact(rich.stack, rich.store_id)


async def test_the_price_reserved_is_the_price_paid(rich: Shop) -> None:
    reward = await give_reward(rich)
    with frozen(rich, "earning"):
        trying = asyncio.create_task(redeem(rich, reward["id"], headers=key("slow")))
        await eventually(lambda: has_state(rich, "reserved"))
        await rich.call("PATCH", f"loyalty/rewards/{reward['id']}", {"points_cost": 900})
        await reward_arrives(rich, reward["id"], 900)
    response = await trying
    if response.status != 201:
        response = await redeem(rich, reward["id"], headers=key("slow"))
    assert response.json["points"] == -500


async def has_state(shop: Shop, status: str) -> bool:
    matching = await shop.call("GET", f"loyalty/redemptions?status={status}")
    return bool(matching.json["total"])


@contextlib.contextmanager
def frozen(shop: Shop, service: str) -> Any:
    """The service does not run meanwhile."""
    shop.stack.freeze(service)
    try:
        yield
    finally:
        shop.stack.resume(service)


async def test_earning_unavailable_is_503_and_the_reservation_is_settled_afterwards(
    rich: Shop,
) -> None:
    reward = await give_reward(rich, stock=1)
    rich.stack.kill("earning")
    response = await redeem(rich, reward["id"], headers=key("away"))
    assert (response.status, response.json["code"]) == (503, "unavailable")
    assert "Retry-After" in response.headers

    async def is_back() -> bool:
        return await rich.status() is not None

    await eventually(is_back)

    async def settled() -> None:
        assert not await has_state(rich, "reserved")

    await eventually(settled)
    again = await redeem(rich, reward["id"], headers=key("away"))
    assert (again.status, again.json["balance_after"]) == (201, 3_000)
    await books_are_exact(rich.stack, rich.store_id)


async def test_redeeming_works_without_kafka(rich: Shop) -> None:
    reward = await give_reward(rich)
    rich.stack.kill("kafka")
    responses = [await redeem(rich, reward["id"]) for _ in range(5)]
    assert [response.json["balance_after"] for response in responses] == [
        3_000,
        2_500,
        2_000,
        1_500,
        1_000,
    ]
    cancelled = await rich.call(
        "POST", f"loyalty/redemptions/{responses[0].json['redemption_id']}/cancel"
    )
    assert cancelled.json["status"] == "cancelled"
    await eventually(lambda: kafka.is_available(rich.stack.kafka), every=0.5)
    events = await rich.read_events("points.redeemed", count=5)
    assert len({event["sequence"] for event, _ in events}) == 5
    assert await books_are_exact(rich.stack, rich.store_id) == {"confirmed": 4, "cancelled": 1}
