"""Rewards as the tests of the API create and read them."""

import re
from typing import Any

from tests.support import ApiResponse, Shop

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


def assert_problem(response: ApiResponse, status: int, code: str) -> None:
    assert (response.status, response.json["code"]) == (status, code), response.raw
    assert response.headers["Content-Type"] == "application/problem+json"


def pointers(response: ApiResponse) -> list[str]:
    assert_problem(response, 400, "invalid_request")
    return [fault["pointer"] for fault in response.json["errors"]]
