"""One Idempotency-Key used by many requests at the same moment, on every route that writes."""

import asyncio
import secrets
from collections import Counter

import asyncpg
import pytest

from libs.testing.eventually import eventually
from tests.redeeming import books_are_exact, give_reward, redeem
from tests.support import Answer, Shop
from tests.writes import PREPARE, WRITES, Request

AT_ONCE = 16


def test_every_write_is_raced() -> None:
    assert set(PREPARE) == set(WRITES)


async def at_once(shop: Shop, operation: str, requests: list[Request]) -> list[Answer]:
    """All requests at the same moment, under one key."""
    key = secrets.token_hex(8)
    return await asyncio.gather(
        *(
            shop.call(
                *(WRITES[operation].method, request.path, request.body),
                headers={"Idempotency-Key": key, "Content-Type": request.media_type},
            )
            for request in requests
        )
    )


def outcome(operation: str, response: Answer) -> str:
    if response.status == WRITES[operation].status:
        return "done"
    return str(response.json["code"])


@pytest.mark.parametrize("operation", PREPARE)
async def test_one_request_many_times_takes_effect_once(shop: Shop, operation: str) -> None:
    request, _ = await PREPARE[operation](shop)
    responses = await at_once(shop, operation, [request] * AT_ONCE)
    assert {outcome(operation, one) for one in responses} <= {"done", "idempotency_in_flight"}
    done = [one for one in responses if outcome(operation, one) == "done"]
    assert len({one.raw for one in done}) == 1
    firsts = sum("Idempotency-Hit" not in one.headers for one in done)
    assert firsts == 1
    assert await request.effects() == 1


@pytest.mark.parametrize("operation", PREPARE)
async def test_of_two_requests_only_one_takes_effect(shop: Shop, operation: str) -> None:
    requests = await PREPARE[operation](shop)
    responses = await at_once(shop, operation, list(requests) * (AT_ONCE // 2))
    outcomes = [Counter(outcome(operation, one) for one in responses[at::2]) for at in range(2)]
    effects = [await request.effects() for request in requests]
    assert sorted(effects) == [0, 1], (outcomes, effects)
    won, lost = outcomes[effects.index(1)], outcomes[effects.index(0)]
    assert won["done"] >= 1
    assert set(won) <= {"done", "idempotency_in_flight"}
    assert set(lost) <= {"idempotency_key_reused", "idempotency_in_flight"}


@pytest.mark.parametrize("kind", ["redeem", "cancel"])
async def test_a_refusal_is_the_same_for_all_requests_with_one_key(shop: Shop, kind: str) -> None:
    """Nothing is stored: the key is released."""
    await shop.program()
    await shop.earn("cust_1", 499)
    reward = await give_reward(shop, type="perk")
    headers = {"Idempotency-Key": "refused"}
    if kind == "redeem":
        request = ("loyalty/redeem", {"customer_id": "cust_1", "reward_id": reward["id"]})
        code = "insufficient_points"
    else:
        await shop.earn("cust_1", 1)
        redemption = (await redeem(shop, reward["id"])).json["redemption_id"]
        await shop.call("POST", f"loyalty/redemptions/{redemption}/use")
        request = (f"loyalty/redemptions/{redemption}/cancel", {})
        code = "conflict"
    for _ in range(5):
        responses = await asyncio.gather(
            *(shop.call("POST", *request, headers=headers) for _ in range(AT_ONCE))
        )
        assert {(one.status, one.json["code"]) for one in responses} == {(409, code)}
    await shop.earn("cust_1", 500)
    again = await redeem(shop, reward["id"], headers=headers)
    assert again.status == 201, again.raw
    await books_are_exact(shop.stack, shop.store_id)


async def test_each_response_shows_the_status_that_its_own_request_set(shop: Shop) -> None:
    """Concurrent requests about a customer share a transaction: no response shows what a later request
    wrote."""
    await shop.program()
    await shop.earn("cust_1", 100)
    statuses = ["suspended", "active"] * (AT_ONCE // 2)
    responses = await asyncio.gather(
        *(shop.call("PATCH", "loyalty/customers/cust_1", {"status": one}) for one in statuses)
    )
    assert [one.json["status"] for one in responses] == statuses


async def test_a_cancellation_that_the_ledger_refuses_releases_its_key(shop: Shop) -> None:
    """The balance would pass its bound: the redemption stands, and another request has the key."""
    await shop.program()
    await shop.earn("cust_1", 1_000)
    reward = await give_reward(shop)
    redemption = (await redeem(shop, reward["id"], headers={"Idempotency-Key": "redeemed"})).json
    await fill(shop, "cust_1")
    path = f"loyalty/redemptions/{redemption['redemption_id']}"
    headers = {"Idempotency-Key": "cancelled"}
    responses = await asyncio.gather(
        *(shop.call("POST", f"{path}/cancel", headers=headers) for _ in range(AT_ONCE))
    )
    assert {(one.status, one.json["code"]) for one in responses} == {(409, "conflict")}
    used = await shop.call("POST", f"{path}/use", headers=headers)
    assert (used.status, used.json["status"]) == (200, "used")
    again = await redeem(shop, reward["id"], headers={"Idempotency-Key": "redeemed"})
    assert (again.json, again.headers["Idempotency-Hit"]) == (redemption, "true")


async def fill(shop: Shop, customer_id: str) -> None:
    """Bring the balance to its bound, as nobody could through the API in reasonable time."""
    connection = await asyncpg.connect(shop.stack.database("earning", owner=True))
    await connection.execute(
        "UPDATE accounts SET balance = 9000000000000000 WHERE store_id = $1 AND customer_id = $2",
        *(shop.store_id, customer_id),
    )
    await connection.close()

    async def full() -> None:
        assert (await shop.status(customer_id))["points_balance"] == 9_000_000_000_000_000

    await eventually(full)
