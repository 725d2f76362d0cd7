"""Rewards as callers see them: shapes, lists, partial changes, what is another store's, scopes."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.kernel.clock import format_time
from libs.testing.eventually import eventually
from tests.contract.rewards import (
    EVERY_FIELD,
    MADE_ID,
    MOMENT,
    assert_problem,
    create,
    reward,
    rewards_of,
)
from tests.support import Shop
from tools.stack import config

PLAIN = ["id", "name", "points_cost", "type", "is_active", "created_at", "version"]


def in_seconds(seconds: float) -> str:
    return format_time(datetime.now(UTC) + timedelta(seconds=seconds))


async def ids(shop: Shop, query: str = "") -> list[str]:
    return [one["id"] for one in await rewards_of(shop, query)]


async def test_the_demo_store_lists_the_rewards_of_the_documentation(shop: Shop) -> None:
    key = config.DEMO_KEY
    response = await shop.call("GET", "loyalty/rewards", key=key, store=config.DEMO_STORE)
    assert list(response.json)[:2] == ["data", "total"]
    assert response.json["total"] == 4
    first_fields = [list(one.items())[:4] for one in response.json["data"]]
    assert first_fields == [
        [
            ("id", "rwd_001"),
            ("name", "10% Off Next Order"),
            ("points_cost", 1000),
            ("type", "discount"),
        ],
        [("id", "rwd_002"), ("name", "Free Shipping"), ("points_cost", 500), ("type", "shipping")],
        [
            ("id", "rwd_003"),
            ("name", "$25 Store Credit"),
            ("points_cost", 2500),
            ("type", "credit"),
        ],
        [
            ("id", "rwd_004"),
            ("name", "Exclusive Early Access"),
            ("points_cost", 5000),
            ("type", "perk"),
        ],
    ]
    assert response.json["data"][0]["value"] == {"percent": 10}
    assert response.json["data"][2]["value"] == {"amount": "25.00", "currency": "USD"}


async def test_a_plain_reward_shows_nothing_that_is_unset(shop: Shop) -> None:
    new = await create(shop)
    assert list(new) == PLAIN
    assert MADE_ID.fullmatch(new["id"])
    assert MOMENT.fullmatch(new["created_at"])
    assert new["is_active"] is True


async def test_a_reward_reads_the_same_created_alone_and_in_a_list(shop: Shop) -> None:
    created = await shop.call("POST", "loyalty/rewards", EVERY_FIELD)
    assert created.status == 201, created.raw
    assert list(created.json) == [
        *("id", "name", "points_cost", "type", "description", "value", "stock", "stock_left"),
        *("per_customer_limit", "starts_at", "ends_at", "min_tier", "image_url", "metadata"),
        *("is_active", "created_at", "version"),
    ]
    assert created.json == EVERY_FIELD | {
        "stock_left": 3,
        "starts_at": "2026-01-01T00:00:00.000Z",
        "created_at": created.json["created_at"],
        "version": 1,
    }
    assert list(created.json["metadata"]) == ["z", "a/b~c"]
    alone = await shop.call("GET", "loyalty/rewards/rwd_full")
    listed = await shop.call("GET", "loyalty/rewards")
    assert (alone.status, alone.raw) == (200, created.raw)
    assert listed.raw == b'{"data":[' + created.raw + b'],"total":1,"has_more":false}'


async def test_null_and_absent_mean_the_same_in_a_new_reward(shop: Shop) -> None:
    optional = EVERY_FIELD.keys() - {"name", "points_cost", "type", "is_active"}
    new = await create(shop, **dict.fromkeys(optional))
    assert list(new) == PLAIN


async def test_a_patch_leaves_absent_fields_unchanged_and_null_removes(shop: Shop) -> None:
    new = (await shop.call("POST", "loyalty/rewards", EVERY_FIELD)).json
    path = "loyalty/rewards/rwd_full"
    renamed = await shop.call("PATCH", path, {"name": "Half price", "value": {"percent": 50}})
    assert renamed.status == 200
    assert renamed.json == new | {"name": "Half price", "value": {"percent": 50}, "version": 2}
    optional = EVERY_FIELD.keys() - {"id", "name", "points_cost", "type", "is_active"}
    bare = (await shop.call("PATCH", path, dict.fromkeys(optional))).json
    (warning,) = bare.pop("warnings")
    assert warning["pointer"] == "#/value"
    assert bare == {
        "id": "rwd_full",
        "name": "Half price",
        "points_cost": 1000,
        "type": "discount",
        "is_active": True,
        "created_at": new["created_at"],
        "version": 3,
    }
    assert (await shop.call("GET", path)).json == bare


async def test_a_reward_for_a_tier_that_no_program_has_is_warned_of(shop: Shop) -> None:
    reward = {"name": "Early Access", "points_cost": 5_000, "type": "perk", "min_tier": "silver"}
    without_program = await shop.call("POST", "loyalty/rewards", reward)
    assert "warnings" not in without_program.json
    first = await shop.program()
    assert (first["is_default"], "warnings" in first) == (True, False)
    second = await shop.program()
    assert (second["is_default"], second["warnings"][0]["pointer"]) == (False, "#/is_active")
    key = {"Idempotency-Key": "early access"}
    created = await shop.call("POST", "loyalty/rewards", reward, headers=key)
    (warning,) = created.json["warnings"]
    assert warning["pointer"] == "#/min_tier"
    assert "'Silver'" in warning["detail"]
    assert (await shop.call("POST", "loyalty/rewards", reward, headers=key)).raw == created.raw
    path = f"loyalty/rewards/{created.json['id']}"
    assert "warnings" not in (await shop.call("GET", path)).json
    assert "warnings" not in (await shop.call("PATCH", path, {"min_tier": "Silver"})).json
    await shop.call("PATCH", f"loyalty-programs/{first['id']}", {"is_active": False})
    programs = (await shop.call("GET", "loyalty-programs")).json["data"]
    assert [one["is_default"] for one in programs] == [False, True]


async def test_the_list_has_available_rewards_and_all_with_include_all(shop: Shop) -> None:
    await create(shop, id="rwd_plain")
    await create(shop, id="rwd_inactive", is_active=False)
    await create(shop, id="rwd_later", starts_at=in_seconds(3_600))
    await create(shop, id="rwd_over", ends_at=in_seconds(-1))
    await create(shop, id="rwd_none_left", stock=0)
    await create(
        shop, id="rwd_running", starts_at=in_seconds(-9), ends_at=in_seconds(3_600), stock=1
    )
    assert await ids(shop) == ["rwd_plain", "rwd_running"]
    everything = await shop.call("GET", "loyalty/rewards?include=all")
    assert [one["id"] for one in everything.json["data"]] == [
        *("rwd_plain", "rwd_inactive", "rwd_later", "rwd_over", "rwd_none_left", "rwd_running")
    ]
    assert everything.json["total"] == 6
    await shop.call("PATCH", "loyalty/rewards/rwd_inactive", {"is_active": True})
    assert await ids(shop) == ["rwd_plain", "rwd_inactive", "rwd_running"]


async def test_time_alone_changes_the_list(shop: Shop) -> None:
    await create(shop, id="rwd_ends", ends_at=in_seconds(5))
    await create(shop, id="rwd_starts", starts_at=in_seconds(6))
    lists = [await ids(shop)]

    async def has_started() -> None:
        lists.append(await ids(shop))
        assert lists[-1] == ["rwd_starts"]

    await eventually(has_started)
    assert lists[0] == ["rwd_ends"]
    # On a busy machine, nothing may have looked in between.
    assert [one for one in lists if one not in (["rwd_ends"], ["rwd_starts"], [])] == []


async def test_pages_are_oldest_first_and_follow_each_other(shop: Shop) -> None:
    new = [(await create(shop, id=f"rwd_{name}"))["id"] for name in "caebd"]
    first = await shop.call("GET", "loyalty/rewards?limit=2")
    assert [one["id"] for one in first.json["data"]] == new[:2]
    assert (first.json["total"], first.json["has_more"]) == (5, True)
    second = await shop.call("GET", f"loyalty/rewards?limit=2&starting_after={new[1]}")
    assert [one["id"] for one in second.json["data"]] == new[2:4]
    await shop.call("DELETE", f"loyalty/rewards/{new[3]}")
    last = await shop.call("GET", f"loyalty/rewards?starting_after={new[3]}")
    assert [one["id"] for one in last.json["data"]] == new[4:]
    assert (last.json["total"], last.json["has_more"]) == (4, False)


async def test_another_stores_rewards_look_nonexistent(shop: Shop, unique: str) -> None:
    new = await create(shop)
    other_key = await shop.stack.key(f"store_{unique}")
    path = f"loyalty/rewards/{new['id']}"
    unknown = await shop.call("GET", "loyalty/rewards/rwd_nobody", key=other_key)
    for method, body in (("GET", None), ("PATCH", {"name": "y"}), ("DELETE", None)):
        response = await shop.call(method, path, body, key=other_key)
        assert_problem(response, 404, "not_found")
        assert response.json["detail"] == unknown.json["detail"]
    cursor = f"loyalty/rewards?starting_after={new['id']}"
    assert_problem(await shop.call("GET", cursor, key=other_key), 400, "invalid_request")
    listed = await shop.call("GET", "loyalty/rewards", key=other_key)
    assert listed.json == {"data": [], "total": 0, "has_more": False}
    same = await shop.call("POST", "loyalty/rewards", reward(id=new["id"]), key=other_key)
    assert same.status == 201


@pytest.mark.parametrize("path", ["nope", "rwd_%00", "rwd_%ff", "rwd_a%2Fb", "rwd_" + "x" * 300])
async def test_a_deleted_or_unknown_reward_is_404(shop: Shop, path: str) -> None:
    for method, body in (("GET", None), ("PATCH", {"name": "y"}), ("DELETE", None)):
        response = await shop.call(method, f"loyalty/rewards/{path}", body)
        assert_problem(response, 404, "not_found")


async def test_reading_needs_read_and_changing_needs_manage(shop: Shop) -> None:
    new = await create(shop)
    reader = await shop.stack.key(shop.store_id, scopes="read")
    manager = await shop.stack.key(shop.store_id, scopes="manage")
    path = f"loyalty/rewards/{new['id']}"
    assert (await shop.call("GET", path, key=reader)).status == 200
    assert_problem(await shop.call("DELETE", path, key=reader), 403, "insufficient_scope")
    assert_problem(await shop.call("GET", path, key=manager), 403, "insufficient_scope")
    assert (await shop.call("DELETE", path, key=manager)).status == 204
