"""A projection is made anew of the topic alone."""

from typing import Any

import asyncpg

from libs.testing.eventually import eventually
from tests.redeeming import give_reward, redeem
from tests.support import Shop

REWARDS = (
    "SELECT reward_id, version, points_cost, deleted FROM rewards WHERE store_id = $1 ORDER BY 1"
)


async def test_redemptions_rewards_come_back_from_the_topic_alone(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 5_000)
    kept = await give_reward(shop, stock=1)
    gone = await give_reward(shop)
    await shop.call("PATCH", f"loyalty/rewards/{kept['id']}", {"points_cost": 700})
    await shop.call("DELETE", f"loyalty/rewards/{gone['id']}")
    assert (await redeem(shop, kept["id"])).status == 201
    connection = await asyncpg.connect(shop.stack.database("redemption"))
    try:

        async def all_told() -> list[Any]:
            rows = await connection.fetch(REWARDS, shop.store_id)
            assert [row["version"] for row in rows] == [2, 2]
            return list(rows)

        before = await eventually(all_told)
        await connection.execute("DELETE FROM rewards WHERE store_id = $1", shop.store_id)
        said = shop.stack.run("rebuild", "redemption")
        assert "rewards are rebuilt from catalog.reward" in said.stdout
        assert await connection.fetch(REWARDS, shop.store_id) == before
    finally:
        await connection.close()
    # What is in use of it was not forgotten with it.
    assert (await redeem(shop, kept["id"])).json["reason"] == "out_of_stock"
