"""The keys of a store are listed with their names and their last use, never with the keys."""

import asyncio

from libs.testing.eventually import eventually
from tests.support import Shop


async def test_keys_are_listed_with_name_scopes_last_use_and_state(shop: Shop) -> None:
    unused = await shop.stack.key(shop.store_id, scopes="read,earn", name="reporting")
    revoked = await shop.stack.key(shop.store_id, name="old till")
    await asyncio.to_thread(shop.stack.run, "key-revoke", "--key", revoked)
    await shop.call("GET", "loyalty-programs")

    async def lines() -> list[str]:
        listed = await asyncio.to_thread(shop.stack.run, "keys", "--store", shop.store_id)
        assert not any(key in listed.stdout for key in (shop.key, unused, revoked))
        return listed.stdout.splitlines()

    async def is_used() -> list[str]:
        listed = await lines()
        assert "never" not in listed[1]
        return listed

    heading, own, second, third = await eventually(is_used)
    assert heading.split()[:3] == ["key", "name", "scopes"]
    assert own.startswith(shop.key[:16])
    assert "in use" in own
    assert second.startswith(unused[:16])
    for text in ("reporting", "earn,read", "never", "in use"):
        assert text in second
    assert "old till" in third
    assert "revoked 20" in third


async def test_a_store_without_keys_is_an_error_that_says_how_to_make_one(shop: Shop) -> None:
    listed = await asyncio.to_thread(shop.stack.run, "keys", "--store", "store_none", check=False)
    assert listed.returncode == 1
    assert "make key STORE=store_none" in listed.stderr


async def test_a_key_of_any_scope_reads_what_it_is(shop: Shop) -> None:
    key = await shop.stack.key(shop.store_id, scopes="redeem,earn", name="Till 4, Zürich")
    response = await shop.call("GET", "key", key=key)
    assert response.status == 200, response.raw
    key_details = response.json
    assert key_details.pop("created_at").endswith("Z")
    assert key_details == {
        "store_id": shop.store_id,
        "name": "Till 4, Zürich",
        "prefix": key[:16],
        "scopes": ["earn", "redeem"],
    }
    assert (await shop.call("GET", "loyalty/pipeline", key=key)).json[
        "code"
    ] == "insufficient_scope"
    refused = await shop.call("GET", "key?page=2")
    assert [fault["parameter"] for fault in refused.json["errors"]] == ["page"]
    assert (await shop.call("POST", "key", {})).headers["Allow"] == "GET"
