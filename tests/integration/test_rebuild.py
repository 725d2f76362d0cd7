"""A projection is rebuilt from its topic only."""

from typing import Any

import asyncpg

from libs.testing.eventually import eventually
from tests.redeeming import give_reward, redeem
from tests.support import Shop

REWARDS = (
    "SELECT reward_id, version, points_cost, deleted FROM rewards WHERE store_id = $1 ORDER BY 1"
)


async def test_redemptions_rewards_are_rebuilt_from_the_topic(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 5_000)
    changed = await give_reward(shop, stock=1)
    deleted = await give_reward(shop)
    await shop.call("PATCH", f"loyalty/rewards/{changed['id']}", {"points_cost": 700})
    await shop.call("DELETE", f"loyalty/rewards/{deleted['id']}")
    assert (await redeem(shop, changed["id"])).status == 201
    connection = await asyncpg.connect(shop.stack.database("redemption"))
    try:

        async def all_received() -> list[Any]:
            rows = await connection.fetch(REWARDS, shop.store_id)
            assert [row["version"] for row in rows] == [2, 2]
            return list(rows)

        before = await eventually(all_received)
        await connection.execute("DELETE FROM rewards WHERE store_id = $1", shop.store_id)
        outcome = shop.stack.run("rebuild", "redemption")
        assert "rewards from catalog.reward" in outcome.stdout
        assert await connection.fetch(REWARDS, shop.store_id) == before
    finally:
        await connection.close()
    # The counts of its uses are not part of the projection, and stay.
    assert (await redeem(shop, changed["id"])).json["reason"] == "out_of_stock"
