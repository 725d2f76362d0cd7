"""Delivered at least once, applied once: retries, races and redeliveries."""

import asyncio
import random

import asyncpg

from libs.testing.eventually import eventually
from tests.support import Shop, Stack

# Accounts whose balance or sequence does not follow from their entries.
AUDIT = """
SELECT count(*) AS wrong FROM (
    SELECT a.id
    FROM accounts a LEFT JOIN entries e ON e.account_id = a.id
    WHERE a.store_id = $1
    GROUP BY a.id
    HAVING a.balance <> coalesce(sum(e.points), 0)
        OR a.sequence <> count(e.sequence)
        OR a.sequence <> coalesce(max(e.sequence), 0)
) AS broken
"""


async def audit(stack: Stack, store_id: str) -> None:
    """Check that balances are the sums of entries, sequences have no gaps, and orders earned once."""
    connection = await asyncpg.connect(stack.database("earning"))
    try:
        assert await connection.fetchval(AUDIT, store_id) == 0
        twice = await connection.fetchval(
            "SELECT count(*) FROM (SELECT order_id FROM entries WHERE store_id = $1 "
            "AND type = 'earn' AND order_id IS NOT NULL GROUP BY order_id HAVING count(*) > 1) t",
            store_id,
        )
        assert twice == 0
    finally:
        await connection.close()


async def test_32_concurrent_requests_with_one_idempotency_key_have_one_effect(shop: Shop) -> None:
    await shop.program()
    responses = await asyncio.gather(
        *(shop.earn("cust_1", 500, **{"Idempotency-Key": "bonus-1"}) for _ in range(32))
    )
    assert {(response.status, response.raw) for response in responses} == {(201, responses[0].raw)}
    assert sum("Idempotency-Hit" not in response.headers for response in responses) == 1
    assert (await shop.status())["points_balance"] == 500
    await audit(shop.stack, shop.store_id)


async def test_a_key_matches_its_request_in_any_spelling(shop: Shop) -> None:
    await shop.program()
    body = b'{"customer_id":"cust_1","points":500,"reason":"x"}'
    again = b'{ "reason": "x", "points": 500,  "customer_id": "cust_1" }'
    first = await shop.call("POST", "loyalty/earn", body, headers={"Idempotency-Key": "k"})
    hit = await shop.call(
        "POST", "loyalty/earn", again, headers={"Idempotency-Key": '"k"'}, store=shop.store_id
    )
    assert (hit.status, hit.raw, hit.headers["Idempotency-Hit"]) == (201, first.raw, "true")
    other = await shop.earn("cust_1", 501, **{"Idempotency-Key": "k"})
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


async def test_a_refusal_is_not_stored(shop: Shop) -> None:
    refused = await shop.earn("cust_1", 500, **{"Idempotency-Key": "k"})
    assert (refused.status, refused.json["code"]) == (409, "program_inactive")
    await shop.program()
    assert (await shop.earn("cust_1", 500, **{"Idempotency-Key": "k"})).status == 201


async def test_a_program_is_created_once_per_key(shop: Shop) -> None:
    responses = await asyncio.gather(
        *(
            shop.call(
                "POST",
                "loyalty-programs",
                {"name": "VIP", "points_per_dollar": 10},
                headers={"Idempotency-Key": "program"},
            )
            for _ in range(8)
        )
    )
    assert {response.raw for response in responses} == {responses[0].raw}
    assert (await shop.call("GET", "loyalty-programs")).json["total"] == 1


async def test_64_concurrent_awards_to_one_customer_all_count(shop: Shop) -> None:
    await shop.program()
    responses = await asyncio.gather(*(shop.earn("cust_1", 1) for _ in range(64)))
    assert [response.status for response in responses] == [201] * 64
    assert sorted(response.json["balance_after"] for response in responses) == list(range(1, 65))
    await audit(shop.stack, shop.store_id)


async def test_10_000_orders_delivered_three_times_to_two_processes_count_once(
    shop: Shop, second_earning: object
) -> None:
    await shop.program(tiers=[])
    seed = random.randrange(10**6)
    print("seed", seed)
    choose = random.Random(seed)
    orders = [
        shop.order(f"o{number}", customer_id=f"cust_{choose.randrange(700)}", total="1.00")
        for number in range(10_000)
    ]
    for _ in range(3):
        choose.shuffle(orders)
        await shop.publish_all(orders)

    async def all_posted() -> None:
        connection = await asyncpg.connect(shop.stack.database("earning"))
        try:
            posted = await connection.fetchval(
                "SELECT sum(balance) FROM accounts WHERE store_id = $1", shop.store_id
            )
        finally:
            await connection.close()
        assert posted == 100_000, posted

    await eventually(all_posted, every=0.3)
    await shop.stack.drained()
    await audit(shop.stack, shop.store_id)
