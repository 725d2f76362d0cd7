"""What is checked of requests about redemptions, and in which order."""

from typing import Any

import pytest

from tests.support import Shop

REDEEM = {"customer_id": "cust_1", "reward_id": "rwd_1"}

FAULTY = [
    pytest.param({}, ["#/customer_id", "#/reward_id"], id="nothing"),
    pytest.param(
        {"customer_id": "a b", "reward_id": ""}, ["#/customer_id", "#/reward_id"], id="ids"
    ),
    pytest.param(
        REDEEM | {"customer_id": "", "points_cost": 0},
        ["#/customer_id", "#/points_cost"],
        id="price",
    ),
    pytest.param(
        REDEEM | {"points_cost": 10**12 + 1}, ["#/points_cost"], id="price over its bound"
    ),
    pytest.param(REDEEM | {"points_cost": "500"}, ["#/points_cost"], id="price as text"),
    pytest.param(REDEEM | {"reward_id": "x" * 129}, ["#/reward_id"], id="a long id"),
    pytest.param(REDEEM | {"reward": "rwd_1"}, ["#/reward"], id="a misspelt field"),
]


@pytest.mark.parametrize(("body", "pointers"), FAULTY)
async def test_faulty_values_are_named_with_their_places(
    shop: Shop, body: dict[str, Any], pointers: list[str]
) -> None:
    response = await shop.call("POST", "loyalty/redeem", body)
    assert (response.status, response.json["code"]) == (400, "invalid_request")
    assert [fault["pointer"] for fault in response.json["errors"]] == pointers


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("loyalty/redemptions?status=lost", "status"),
        ("loyalty/redemptions?customer_id=a%20b", "customer_id"),
        ("loyalty/redemptions?starting_after=rdm_x", "starting_after"),
        ("loyalty/redemptions?limit=0", "limit"),
        ("loyalty/redemptions?page=2", "page"),
        ("loyalty/redemptions?reward_id=", "reward_id"),
        ("loyalty/rewards?customer_id=a%20b", "customer_id"),
        ("loyalty/rewards?customer_id=cust_1&include=some", "include"),
    ],
)
async def test_faulty_parameters_are_named(shop: Shop, path: str, parameter: str) -> None:
    response = await shop.call("GET", path)
    assert response.status == 400, response.raw
    assert [fault["parameter"] for fault in response.json["errors"]] == [parameter]


@pytest.mark.parametrize("step", ["", "/cancel", "/use"])
@pytest.mark.parametrize(
    "redemption", ["rdm_x", "rdm_01a2119a-f52d-756b-8934-131444bb1bb0", "txn_1", "%2F"]
)
async def test_an_unknown_redemption_is_not_found(shop: Shop, redemption: str, step: str) -> None:
    method = "POST" if step else "GET"
    response = await shop.call(method, f"loyalty/redemptions/{redemption}{step}")
    assert (response.status, response.json["code"]) == (404, "not_found")


async def test_a_step_takes_no_fields(shop: Shop) -> None:
    response = await shop.call("POST", "loyalty/redemptions/rdm_x/use", {"at": "till 3"})
    assert [fault["pointer"] for fault in response.json["errors"]] == ["#/at"]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "loyalty/redeem", "redeem"),
        ("POST", "loyalty/redemptions/rdm_x/cancel", "redeem"),
        ("POST", "loyalty/redemptions/rdm_x/use", "redeem"),
        ("GET", "loyalty/redemptions", "read"),
        ("GET", "loyalty/rewards?customer_id=cust_1", "read"),
    ],
)
async def test_each_path_requires_its_scope(shop: Shop, method: str, path: str, scope: str) -> None:
    others = ",".join({"read", "earn", "redeem", "manage", "admin"} - {scope})
    key = await shop.stack.key(shop.store_id, scopes=others)
    response = await shop.call(method, path, {} if method == "POST" else None, key=key)
    assert (response.status, response.json["required"]) == (403, scope)
