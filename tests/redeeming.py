"""Rewards and redemptions as tests use them, and whether points, stock and codes agree."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg

from libs.testing.eventually import eventually
from services.redemption.domain.codes import read_code
from tests.support import ApiResponse, Shop, Stack

FREE_SHIPPING = {"name": "Free Shipping", "points_cost": 500, "type": "shipping"}

_REDEMPTIONS = """
SELECT 'rdm_' || id AS id, customer_id, reward_id, points, status, code, transaction_id, balance_after
FROM redemptions WHERE store_id = $1
"""
_ENTRIES = """
SELECT e.type, e.points, e.redemption_id, e.reward_id, 'txn_' || e.id AS id, a.customer_id,
       e.balance_after
FROM entries e JOIN accounts a ON a.id = e.account_id
WHERE e.store_id = $1 AND e.type IN ('redeem', 'cancel')
"""


@asynccontextmanager
async def _reading(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def give_reward(shop: Shop, **changes: object) -> Any:
    """Create a reward of the store, and wait until redemption has it."""
    response = await shop.call("POST", "loyalty/rewards", {**FREE_SHIPPING, **changes})
    assert response.status == 201, response.raw
    reward = response.json
    await reward_arrives(shop, reward["id"], reward["points_cost"])
    return reward


async def reward_arrives(shop: Shop, reward_id: str, points_cost: int) -> None:
    """Wait until redemption has the reward at this price."""
    async with _reading(shop.stack.database("redemption")) as connection:

        async def has_price() -> bool:
            price = await connection.fetchval(
                "SELECT points_cost FROM rewards WHERE store_id = $1 AND reward_id = $2",
                *(shop.store_id, reward_id),
            )
            return bool(price == points_cost)

        await eventually(has_price)


def key(text: str) -> dict[str, str]:
    """The header with this idempotency key."""
    return {"Idempotency-Key": text}


async def redeem(
    shop: Shop, reward_id: str, customer_id: str = "cust_1", **more: Any
) -> ApiResponse:
    """Redeem; `headers` and `key` are those of the call, all other arguments fields of the body."""
    call = {name: more.pop(name) for name in ("headers", "key") if name in more}
    body = {"customer_id": customer_id, "reward_id": reward_id, **more}
    return await shop.call("POST", "loyalty/redeem", body, **call)


async def books_are_exact(stack: Stack, store_id: str) -> Counter[str]:
    """Points, stock and codes of a store's redemptions agree; returns how many have which status.

    Every confirmed or used redemption took its price once, every cancelled one returned it once, and
    nothing else changed a balance for a reward. The usage of a reward counts what is not cancelled.

    Redemptions are confirmed by events, which it waits for.
    """
    await eventually(partial(_debits_are_confirmed, stack, store_id))
    async with _reading(stack.database("redemption")) as connection:
        redemptions = {row["id"]: row for row in await connection.fetch(_REDEMPTIONS, store_id)}
        usage = await connection.fetch(
            "SELECT reward_id, taken FROM usage WHERE store_id = $1", store_id
        )
        keys = await connection.fetch(
            "SELECT body FROM idempotency_keys WHERE store_id = $1 AND status = 0", store_id
        )
    async with _reading(stack.database("earning")) as connection:
        entries = await connection.fetch(_ENTRIES, store_id)
    entry_counts = Counter((row["redemption_id"], row["type"]) for row in entries)
    assert all(count == 1 for count in entry_counts.values()), entry_counts
    for row in entries:
        redemption = redemptions[row["redemption_id"]]
        sign = -1 if row["type"] == "redeem" else 1
        assert row["points"] == sign * redemption["points"]
        assert row["customer_id"] == redemption["customer_id"]
        assert row["reward_id"] == redemption["reward_id"]
        if row["type"] == "redeem":
            recorded = (redemption["transaction_id"], redemption["balance_after"])
            assert recorded == (row["id"], row["balance_after"])
    for redemption_id, row in redemptions.items():
        debited = row["status"] in {"confirmed", "used"}
        cancelled = row["status"] == "cancelled"
        assert entry_counts[redemption_id, "redeem"] == (debited or cancelled), dict(row)
        assert entry_counts[redemption_id, "cancel"] == cancelled, dict(row)
        assert row["code"] is None or read_code(row["code"]) == row["code"]
    in_use = Counter(
        row["reward_id"]
        for row in redemptions.values()
        if row["status"] not in {"released", "cancelled"}
    )
    assert {row["reward_id"]: row["taken"] for row in usage if row["taken"]} == in_use
    # A key in progress names a redemption that was not refused.
    for row in keys:
        named = next(one for one in redemptions if _uuid_bytes(one) == row["body"])
        assert redemptions[named]["status"] != "released"
    return Counter(row["status"] for row in redemptions.values())


async def _debits_are_confirmed(stack: Stack, store_id: str) -> None:
    """Raise unless redemption has recorded every debit of the ledger."""
    async with _reading(stack.database("redemption")) as connection:
        rows = await connection.fetch(
            "SELECT 'rdm_' || id AS id FROM redemptions WHERE store_id = $1 AND status = 'reserved'",
            store_id,
        )
    async with _reading(stack.database("earning")) as connection:
        assert not await connection.fetch(
            "SELECT FROM debits WHERE redemption_id = ANY($1::text[]) AND state <> 'refused'",
            [row["id"] for row in rows],
        )


def _uuid_bytes(redemption_id: str) -> bytes:
    return bytes.fromhex(redemption_id.removeprefix("rdm_").replace("-", ""))
