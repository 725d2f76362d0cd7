"""Rewards as callers see them: shapes, bounds, ids, lists, keys, and what a deletion leaves."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from libs.kernel.clock import format_time
from libs.testing.eventually import eventually
from tests.support import ApiResponse, Shop
from tools.stack import config

MADE_ID = re.compile(r"rwd_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
EVERY_FIELD = {
    "id": "rwd_full",
    "name": "10% Off Next Order",
    "points_cost": 1000,
    "type": "discount",
    "description": "One order.\nAny size.",
    "value": {"percent": 12.5},
    "stock": 3,
    "per_customer_limit": 2,
    "starts_at": "2026-01-01T01:00:00+01:00",
    "ends_at": "2199-12-31T23:59:59.999Z",
    "min_tier": "Silver",
    "image_url": "https://cdn.example.com/a%20b.png?x=1#top",
    "metadata": {"z": "last first", "a/b~c": ""},
    "is_active": True,
}


def reward(**changes: object) -> dict[str, object]:
    """A request for the simplest reward, with `changes`."""
    return {"name": "Free Shipping", "points_cost": 500, "type": "shipping", **changes}


async def create(shop: Shop, **changes: object) -> Any:
    response = await shop.call("POST", "loyalty/rewards", reward(**changes))
    assert response.status == 201, response.raw
    return response.json


async def rewards_of(shop: Shop, query: str = "") -> Any:
    """The store's list."""
    response = await shop.call("GET", f"loyalty/rewards?{query}")
    assert response.status == 200, response.raw
    return response.json["data"]


def in_seconds(seconds: float) -> str:
    return format_time(datetime.now(UTC) + timedelta(seconds=seconds))


def assert_problem(response: ApiResponse, status: int, code: str) -> None:
    assert (response.status, response.json["code"]) == (status, code), response.raw
    assert response.headers["Content-Type"] == "application/problem+json"


def pointers(response: ApiResponse) -> list[str]:
    assert_problem(response, 400, "invalid_request")
    return [fault["pointer"] for fault in response.json["errors"]]


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
    assert list(new) == ["id", "name", "points_cost", "type", "is_active", "created_at"]
    assert MADE_ID.fullmatch(new["id"])
    assert MOMENT.fullmatch(new["created_at"])
    assert new["is_active"] is True


async def test_a_reward_reads_the_same_created_alone_and_in_a_list(shop: Shop) -> None:
    created = await shop.call("POST", "loyalty/rewards", EVERY_FIELD)
    assert created.status == 201, created.raw
    assert list(created.json) == [
        *("id", "name", "points_cost", "type", "description", "value", "stock", "stock_left"),
        *("per_customer_limit", "starts_at", "ends_at", "min_tier", "image_url", "metadata"),
        *("is_active", "created_at"),
    ]
    assert created.json == EVERY_FIELD | {
        "stock_left": 3,
        "starts_at": "2026-01-01T00:00:00.000Z",
        "created_at": created.json["created_at"],
    }
    assert list(created.json["metadata"]) == ["z", "a/b~c"]
    alone = await shop.call("GET", "loyalty/rewards/rwd_full")
    listed = await shop.call("GET", "loyalty/rewards")
    assert (alone.status, alone.raw) == (200, created.raw)
    assert listed.raw == b'{"data":[' + created.raw + b'],"total":1,"has_more":false}'


@pytest.mark.parametrize(
    ("sent", "rendered"),
    [
        ('{"percent": 10.0}', '{"percent":10}'),
        ('{"percent": "0.000001"}', '{"percent":0.000001}'),
        ('{"amount": 25, "currency": "USD"}', '{"amount":"25.00","currency":"USD"}'),
        ('{"amount": 1e12, "currency": "USD"}', '{"amount":"1000000000000.00","currency":"USD"}'),
        ('{"amount": 0.125000, "currency": "EUR"}', '{"amount":"0.125","currency":"EUR"}'),
        ('{"amount": "0.000001", "currency": "EUR"}', '{"amount":"0.000001","currency":"EUR"}'),
    ],
)
async def test_money_is_text_and_a_percentage_a_number(
    shop: Shop, sent: str, rendered: str
) -> None:
    body = f'{{"name": "x", "points_cost": 1, "type": "perk", "value": {sent}}}'
    response = await shop.call("POST", "loyalty/rewards", body.encode())
    assert response.status == 201, response.raw
    assert f'"value":{rendered},'.encode() in response.raw


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_all_faulty_values_are_reported_together(shop: Shop, method: str) -> None:
    faulty = {
        "name": "",
        "points_cost": 0,
        "description": "x" * 1_001,
        "value": {"amount": "0", "currency": "usd"},
        "stock": -1,
        "per_customer_limit": 0,
        "starts_at": "2026-01-01T00:00:00",
        "ends_at": "tomorrow",
        "min_tier": "x" * 121,
        "image_url": "ftp://example.com/x",
        "metadata": {"k": "x" * 501, "a/b~" + "x" * 40: "v"},
    }
    if method == "POST":
        response = await shop.call(
            "POST", "loyalty/rewards", {**faulty, "id": "rwd 1", "type": "perk"}
        )
    else:
        new = await create(shop)
        response = await shop.call("PATCH", f"loyalty/rewards/{new['id']}", faulty)
    own_id = ["#/id"] if method == "POST" else []
    assert pointers(response) == [
        *own_id,
        *("#/name", "#/points_cost", "#/description", "#/value/amount", "#/value/currency"),
        *("#/stock", "#/per_customer_limit", "#/starts_at", "#/ends_at", "#/min_tier"),
        *("#/image_url", "#/metadata/k", "#/metadata/a~1b~0" + "x" * 40),
    ]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        pytest.param({"name": "x" * 121}, "#/name", id="a long name"),
        pytest.param({"name": "a\u0000b"}, "#/name", id="a name with a control character"),
        pytest.param({"name": None}, "#/name", id="no name"),
        pytest.param({"points_cost": 10**12 + 1}, "#/points_cost", id="too dear"),
        pytest.param({"points_cost": "5"}, "#/points_cost", id="a price in text"),
        pytest.param({"points_cost": 1.5}, "#/points_cost", id="half a point"),
        pytest.param({"type": "gift"}, "#/type", id="an unknown type"),
        pytest.param({"is_active": None}, "#/is_active", id="neither active nor not"),
        pytest.param({"colour": "red"}, "#/colour", id="an unknown field"),
        pytest.param({"description": "a\u0000b"}, "#/description", id="a control character"),
        pytest.param({"value": {}}, "#/value", id="an empty value"),
        pytest.param({"value": {"amount": 1}}, "#/value/currency", id="money of no currency"),
        pytest.param({"value": {"currency": "USD"}}, "#/value/amount", id="a currency of nothing"),
        pytest.param({"value": {"percent": 0}}, "#/value/percent", id="0 %"),
        pytest.param({"value": {"percent": 100.5}}, "#/value/percent", id="over 100 %"),
        pytest.param({"value": {"percent": "NaN"}}, "#/value/percent", id="no number"),
        pytest.param(
            {"value": {"percent": 5, "amount": 1, "currency": "USD"}}, "#/value", id="both values"
        ),
        pytest.param(
            {"value": {"amount": "1000000000000.01", "currency": "USD"}},
            "#/value/amount",
            id="too much money",
        ),
        pytest.param(
            {"value": {"amount": "0.0000001", "currency": "USD"}},
            "#/value/amount",
            id="seven decimals",
        ),
        pytest.param({"stock": 10**9 + 1}, "#/stock", id="too large a stock"),
        pytest.param({"per_customer_limit": 10**6 + 1}, "#/per_customer_limit", id="no limit"),
        pytest.param({"starts_at": "2026-02-30T00:00:00Z"}, "#/starts_at", id="no such day"),
        pytest.param({"starts_at": 5}, "#/starts_at", id="a time in numbers"),
        pytest.param(
            {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"},
            "#/ends_at",
            id="over before it starts",
        ),
        pytest.param({"min_tier": ""}, "#/min_tier", id="a tier without a name"),
        pytest.param({"image_url": "https://x/" + "a" * 2_000}, "#/image_url", id="a long URL"),
        pytest.param({"image_url": "javascript:alert(1)"}, "#/image_url", id="no URL of the web"),
        pytest.param(
            {"metadata": {f"k{number}": "v" for number in range(51)}}, "#/metadata", id="51 keys"
        ),
        pytest.param({"metadata": {"": "v"}}, "#/metadata/", id="a key without a name"),
        pytest.param(
            {"metadata": {"k": "a\u0000"}}, "#/metadata/k", id="a control character in it"
        ),
        pytest.param({"metadata": {"k": 5}}, "#/metadata/k", id="a number in it"),
        pytest.param({"metadata": []}, "#/metadata", id="a list for metadata"),
    ],
)
async def test_a_value_out_of_its_bounds_is_named(
    shop: Shop, changes: dict[str, Any], pointer: str
) -> None:
    assert pointers(await shop.call("POST", "loyalty/rewards", reward(**changes))) == [pointer]
    new = await create(shop)
    changed = await shop.call("PATCH", f"loyalty/rewards/{new['id']}", changes)
    assert pointers(changed) == [pointer]
    assert await rewards_of(shop) == [new]


async def test_a_value_at_its_bound_is_accepted(shop: Shop) -> None:
    bounds = {
        "id": "rwd_" + "x" * 64,
        "name": "\U0001f433" * 120,
        "points_cost": 10**12,
        "description": "x" * 1_000,
        "value": {"amount": "1000000000000", "currency": "USD"},
        "stock": 10**9,
        "per_customer_limit": 10**6,
        "starts_at": "0001-01-01T00:00:00Z",
        "ends_at": "9999-12-31T23:59:59.999Z",
        "min_tier": "x" * 120,
        "image_url": "http://x/" + "a" * 1_991,
        "metadata": {f"{number:040}": "x" * 500 for number in range(50)},
    }
    new = await create(shop, **bounds)
    assert new["starts_at"] == "0001-01-01T00:00:00.000Z"
    assert new["metadata"] == bounds["metadata"]
    assert await rewards_of(shop) == [new]
    lowest = await create(shop, points_cost=1, stock=0, per_customer_limit=1, description="")
    assert lowest["stock_left"] == 0


async def test_null_and_absent_mean_the_same_in_a_new_reward(shop: Shop) -> None:
    optional = EVERY_FIELD.keys() - {"name", "points_cost", "type", "is_active"}
    new = await create(shop, **dict.fromkeys(optional))
    assert list(new) == ["id", "name", "points_cost", "type", "is_active", "created_at"]


async def test_a_patch_leaves_absent_fields_unchanged_and_null_removes(shop: Shop) -> None:
    new = (await shop.call("POST", "loyalty/rewards", EVERY_FIELD)).json
    path = "loyalty/rewards/rwd_full"
    renamed = await shop.call("PATCH", path, {"name": "Half price", "value": {"percent": 50}})
    assert renamed.status == 200
    assert renamed.json == new | {"name": "Half price", "value": {"percent": 50}}
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


async def test_a_patch_is_checked_against_the_stored_values(shop: Shop) -> None:
    path = f"loyalty/rewards/{(await create(shop, starts_at='2026-03-10T12:00:00Z'))['id']}"
    ends = await shop.call("PATCH", path, {"ends_at": "2026-03-10T12:00:00Z"})
    assert pointers(ends) == ["#/ends_at"]
    assert (await shop.call("PATCH", path, {"ends_at": "2026-03-11T12:00:00Z"})).status == 200
    starts = await shop.call("PATCH", path, {"starts_at": "2026-03-12T12:00:00Z"})
    assert pointers(starts) == ["#/starts_at"]
    moved = {"starts_at": "2026-03-12T12:00:00Z", "ends_at": "2026-03-13T12:00:00Z"}
    assert (await shop.call("PATCH", path, moved)).status == 200


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
    await create(shop, id="rwd_ends", ends_at=in_seconds(1.5))
    await create(shop, id="rwd_starts", starts_at=in_seconds(2.5))
    assert await ids(shop) == ["rwd_ends"]

    async def rendered(*expected: str) -> None:
        assert await ids(shop) == list(expected)

    await eventually(rendered, within_seconds=3)
    await eventually(lambda: rendered("rwd_starts"), within_seconds=3)


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


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("include=some", "include"),
        ("include=", "include"),
        ("include=all&include=all", "include"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("starting_after=rwd_nobody", "starting_after"),
        ("starting_after=rwd_%00", "starting_after"),
        ("page=2", "page"),
    ],
)
async def test_a_faulty_parameter_is_named(shop: Shop, query: str, parameter: str) -> None:
    response = await shop.call("GET", f"loyalty/rewards?{query}")
    assert_problem(response, 400, "invalid_request")
    assert [fault["parameter"] for fault in response.json["errors"]] == [parameter]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_a_write_takes_no_parameters(shop: Shop, method: str) -> None:
    new = await create(shop)
    path = "loyalty/rewards" if method == "POST" else f"loyalty/rewards/{new['id']}"
    body = {"POST": reward(), "PATCH": {"name": "y"}}.get(method)
    assert_problem(await shop.call(method, f"{path}?force=1", body), 400, "invalid_request")
    assert await rewards_of(shop) == [new]


@pytest.mark.parametrize("own", ["rwd_", "rwd_" + "x" * 65, "reward_1", "rwd_ä", "RWD_1", ""])
async def test_an_id_of_another_form_is_refused(shop: Shop, own: str) -> None:
    assert pointers(await shop.call("POST", "loyalty/rewards", reward(id=own))) == ["#/id"]


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
