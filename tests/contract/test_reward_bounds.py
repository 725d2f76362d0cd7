"""The values that a reward may have: bounds, money, parameters, and how a refusal names them."""

from typing import Any

import pytest

from tests.contract.rewards import assert_problem, create, pointers, reward, rewards_of
from tests.support import Shop


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


async def test_a_patch_is_checked_against_the_stored_values(shop: Shop) -> None:
    path = f"loyalty/rewards/{(await create(shop, starts_at='2026-03-10T12:00:00Z'))['id']}"
    ends = await shop.call("PATCH", path, {"ends_at": "2026-03-10T12:00:00Z"})
    assert pointers(ends) == ["#/ends_at"]
    assert (await shop.call("PATCH", path, {"ends_at": "2026-03-11T12:00:00Z"})).status == 200
    starts = await shop.call("PATCH", path, {"starts_at": "2026-03-12T12:00:00Z"})
    assert pointers(starts) == ["#/starts_at"]
    moved = {"starts_at": "2026-03-12T12:00:00Z", "ends_at": "2026-03-13T12:00:00Z"}
    assert (await shop.call("PATCH", path, moved)).status == 200


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
