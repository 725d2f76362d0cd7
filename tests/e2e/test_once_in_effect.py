"""At least once delivered, once in effect: whatever is repeated, raced or redelivered."""

import asyncio
import random

import asyncpg

from libs.testing.eventually import eventually
from tests.support import Shop, Stack

# One entry's place in its account, and whether the account is what its entries add up to.
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
    """Sum of entries = balances, sequences gapless, one entry per counted order."""
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


async def test_32_tries_with_one_idempotency_key_have_one_effect(shop: Shop) -> None:
    await shop.program()
    answers = await asyncio.gather(
        *(shop.earn("cust_1", 500, **{"Idempotency-Key": "bonus-1"}) for _ in range(32))
    )
    assert {(answer.status, answer.raw) for answer in answers} == {(201, answers[0].raw)}
    assert sum("Idempotency-Hit" not in answer.headers for answer in answers) == 1
    assert (await shop.status())["points_balance"] == 500
    await audit(shop.stack, shop.store_id)


async def test_a_key_means_its_request_however_it_is_spelt(shop: Shop) -> None:
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


async def test_a_programme_is_created_once_per_key(shop: Shop) -> None:
    answers = await asyncio.gather(
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
    assert {answer.raw for answer in answers} == {answers[0].raw}
    assert (await shop.call("GET", "loyalty-programs")).json["total"] == 1


async def test_64_concurrent_awards_to_one_customer_all_count(shop: Shop) -> None:
    await shop.program()
    answers = await asyncio.gather(*(shop.earn("cust_1", 1) for _ in range(64)))
    assert [answer.status for answer in answers] == [201] * 64
    assert sorted(answer.json["balance_after"] for answer in answers) == list(range(1, 65))
    await audit(shop.stack, shop.store_id)


async def test_10_000_orders_thrice_by_two_processes_count_once(
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

    await eventually(all_posted, within_seconds=60, every=0.3)
    await shop.stack.drained()
    await audit(shop.stack, shop.store_id)
