"""Writes of rewards: ids, deletions, idempotency keys, and what is published of them."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.contract.rewards import EVERY_FIELD, MOMENT, assert_problem, create, reward, rewards_of
from tests.support import ApiResponse, Shop
from tools.stack import config


async def test_an_id_is_used_once_in_a_store_also_after_its_reward_is_deleted(shop: Shop) -> None:
    await create(shop, id="rwd_mine")
    again = await shop.call("POST", "loyalty/rewards", reward(id="rwd_mine"))
    assert_problem(again, 409, "conflict")
    assert (await shop.call("DELETE", "loyalty/rewards/rwd_mine")).status == 204
    after = await shop.call("POST", "loyalty/rewards", reward(id="rwd_mine"))
    assert_problem(after, 409, "conflict")
    assert await rewards_of(shop, "include=all") == []


async def test_a_deletion_has_no_body_and_hides_the_reward(shop: Shop) -> None:
    new = await create(shop)
    path = f"loyalty/rewards/{new['id']}"
    deleted = await shop.call("DELETE", path)
    assert (deleted.status, deleted.raw) == (204, b"")
    assert "Content-Length" not in deleted.headers
    assert "Content-Type" not in deleted.headers
    for method, body in (("GET", None), ("PATCH", {"name": "y"}), ("DELETE", None)):
        assert_problem(await shop.call(method, path, body), 404, "not_found")
    assert await rewards_of(shop, "include=all") == []


async def test_a_connection_stays_usable_after_a_response_without_a_body(shop: Shop) -> None:
    for _ in range(3):
        new = await create(shop)
        assert (await shop.call("DELETE", f"loyalty/rewards/{new['id']}")).status == 204
        assert await rewards_of(shop) == []


async def test_a_repeated_key_gets_the_first_response_of_every_write(shop: Shop) -> None:
    created = [await keyed(shop, "POST", "loyalty/rewards", reward(id="rwd_k")) for _ in range(2)]
    patched = [await keyed(shop, "PATCH", "loyalty/rewards/rwd_k", {"name": "y"}) for _ in range(2)]
    deleted = [await keyed(shop, "DELETE", "loyalty/rewards/rwd_k") for _ in range(2)]
    for (first, again), status in ((created, 201), (patched, 200), (deleted, 204)):
        assert (first.status, again.status) == (status, status)
        assert again.raw == first.raw
        assert "Idempotency-Hit" not in first.headers
        assert again.headers["Idempotency-Hit"] == "true"
    assert_problem(await shop.call("DELETE", "loyalty/rewards/rwd_k"), 404, "not_found")
    events = await shop.read_events("catalog.reward", count=3)
    assert [event["version"] for event, _ in events] == [1, 2, 3]


async def test_a_reused_key_is_422_before_the_reward_is_looked_up(shop: Shop) -> None:
    header = {"Idempotency-Key": "k"}
    await create(shop, id="rwd_1")
    body = {"name": "y"}
    await shop.call("PATCH", "loyalty/rewards/rwd_1", body, headers=header)
    for path in ("loyalty/rewards/rwd_1", "loyalty/rewards/rwd_nobody"):
        response = await shop.call("DELETE", path, headers=header)
        assert_problem(response, 422, "idempotency_key_reused")


async def test_a_refusal_is_not_stored(shop: Shop) -> None:
    header = {"Idempotency-Key": "k"}
    body = {"name": "y"}
    early = await shop.call("PATCH", "loyalty/rewards/rwd_1", body, headers=header)
    assert_problem(early, 404, "not_found")
    await create(shop, id="rwd_1")
    later = await shop.call("PATCH", "loyalty/rewards/rwd_1", body, headers=header)
    assert (later.status, later.json["name"]) == (200, "y")


@pytest.mark.parametrize("write", ["POST", "DELETE"])
async def test_duplicates_with_one_key_get_one_response_and_make_one_version(
    shop: Shop, write: str
) -> None:
    """The later duplicates find the id used, or deleted, by the first request: that does not refuse them."""
    path, version = "loyalty/rewards", 1
    body: dict[str, object] | None = reward(id="rwd_1")
    if write == "DELETE":
        await create(shop, id="rwd_1")
        path, body, version = "loyalty/rewards/rwd_1", None, 2
    responses = await asyncio.gather(*(keyed(shop, write, path, body) for _ in range(12)))
    assert {response.status for response in responses} == {201 if write == "POST" else 204}
    assert len({response.raw for response in responses}) == 1
    assert sum("Idempotency-Hit" not in response.headers for response in responses) == 1
    events = await shop.read_events("catalog.reward", count=version)
    assert events[-1][0]["version"] == version


async def test_each_version_is_published_on_kafka(shop: Shop) -> None:
    new = (await shop.call("POST", "loyalty/rewards", EVERY_FIELD)).json
    await shop.call("PATCH", "loyalty/rewards/rwd_full", {"stock": None, "value": None})
    await shop.call("DELETE", "loyalty/rewards/rwd_full")
    (first, headers), (second, _), (last, last_headers) = await shop.read_events(
        "catalog.reward", count=3
    )
    assert first == {
        **{name: value for name, value in new.items() if name != "stock_left"},
        "store_id": shop.store_id,
        "version": 1,
        "value": {"percent": "12.5"},
    }
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_type"] == "catalog.reward"
    assert headers["ce_id"] == f"{shop.store_id}/rwd_full/1"
    assert headers["ce_source"] == "/services/catalog"
    assert MOMENT.fullmatch(headers["ce_time"])
    assert headers["ce_dataschema"].endswith("/v1")
    assert headers["content-type"] == "application/json"
    assert "stock" not in second
    assert "value" not in second
    assert "deleted" not in second
    assert (last["version"], last["deleted"]) == (3, True)
    assert last_headers["ce_id"] == f"{shop.store_id}/rwd_full/3"


async def test_redemption_can_read_a_reward_also_a_deleted_one(shop: Shop) -> None:
    await create(shop, id="rwd_1", value={"amount": 5, "currency": "USD"})
    version = await internal(shop, "rwd_1")
    assert (version["version"], version["value"]) == (1, {"amount": "5.00", "currency": "USD"})
    await shop.call("DELETE", "loyalty/rewards/rwd_1")
    assert (await internal(shop, "rwd_1"))["deleted"] is True
    assert (await internal(shop, "rwd_nobody"))["code"] == "not_found"


async def test_a_caller_reads_its_own_write(shop: Shop) -> None:
    new = await create(shop)
    for number in range(30):
        name = f"name {number}"
        await shop.call("PATCH", f"loyalty/rewards/{new['id']}", {"name": name})
        assert [one["name"] for one in await rewards_of(shop)] == [name]


async def keyed(shop: Shop, method: str, path: str, body: object = None) -> ApiResponse:
    return await shop.call(method, path, body, headers={"Idempotency-Key": f"{method} {path}"})


async def internal(shop: Shop, reward_id: str) -> Any:
    """What catalog responses another service of ours."""
    token = config.stack_secrets(shop.stack.home).internal_token
    port = shop.stack.process("catalog").address.rpartition(":")[2]
    url = f"http://127.0.0.1:{port}/internal/stores/{shop.store_id}/rewards/{reward_id}"
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as response:
        return await response.json(content_type=None)
