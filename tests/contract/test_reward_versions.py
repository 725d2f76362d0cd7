"""Versions of rewards as callers see them: each is kept, and a change may name the one it is based on."""

import asyncpg

from tests.contract.rewards import (
    EVERY_FIELD,
    assert_problem,
    create,
)
from tests.support import Shop


async def test_each_version_of_a_reward_is_kept_with_who_made_it(shop: Shop) -> None:
    first = (await shop.call("POST", "loyalty/rewards", EVERY_FIELD)).json
    second = (
        await shop.call(
            "PATCH",
            "loyalty/rewards/rwd_full",
            {"stock": None, "value": None, "name": "Renamed"},
            key=await shop.stack.key(shop.store_id, name="Ada"),
        )
    ).json
    await shop.call("DELETE", "loyalty/rewards/rwd_full")
    path = "loyalty/rewards/rwd_full/versions"
    listed = (await shop.call("GET", path)).json
    assert [one["version"] for one in listed["data"]] == [3, 2, 1]
    assert [one["changed_by"] for one in listed["data"]] == ["test", "Ada", "test"]
    assert [one.get("deleted") for one in listed["data"]] == [True, None, None]
    times = [one["changed_at"] for one in listed["data"]]
    assert times == sorted(times, reverse=True)
    for version, reward_then in zip(listed["data"][1:], (second, first), strict=True):
        for only_now in ("stock_left", "warnings"):
            reward_then.pop(only_now, None)
        assert {name: version[name] for name in reward_then} == reward_then
    page = (await shop.call("GET", f"{path}?limit=1&starting_after=3")).json
    assert (page["data"], page["total"], page["has_more"]) == ([listed["data"][1]], 3, True)
    for query in ("starting_after=4", "starting_after=0", "starting_after=rwd_full"):
        refused = await shop.call("GET", f"{path}?{query}")
        assert refused.status == 400, query
    assert (await shop.call("GET", "loyalty/rewards/rwd_none/versions")).status == 404


async def test_a_version_from_before_versions_were_kept_is_listed_too(shop: Shop) -> None:
    """The previous release wrote the reward alone, and may do so again during an upgrade."""
    await create(shop, id="rwd_1")
    path = "loyalty/rewards/rwd_1"
    connection = await asyncpg.connect(shop.stack.database("catalog", owner=True))
    try:
        await connection.execute("DELETE FROM reward_versions WHERE store_id = $1", shop.store_id)
    finally:
        await connection.close()
    (alone,) = (await shop.call("GET", f"{path}/versions")).json["data"]
    assert alone["version"] == 1
    assert not {"changed_by", "changed_at"} & set(alone)
    await shop.call("PATCH", path, {"points_cost": 700})
    listed = (await shop.call("GET", f"{path}/versions")).json
    assert [(one["version"], one["points_cost"]) for one in listed["data"]] == [(2, 700), (1, 500)]
    assert listed["data"][1] == alone


async def test_a_change_that_is_based_on_another_version_is_refused(shop: Shop) -> None:
    seen = await create(shop, id="rwd_1")
    path = "loyalty/rewards/rwd_1"
    changed = await shop.call("PATCH", path, {"name": "Mine", "version": seen["version"]})
    assert (changed.status, changed.json["version"]) == (200, 2)
    refused = await shop.call("PATCH", path, {"name": "Yours", "version": seen["version"]})
    assert_problem(refused, 409, "conflict")
    assert (await shop.call("GET", path)).json == changed.json
