"""Every error says what is wrong, where, and what to do next."""

import secrets
from typing import Any

import pytest

from tests.support import Shop

EARN: dict[str, Any] = {"customer_id": "cust_1", "points": 500, "reason": "Birthday bonus"}
ORDER = {
    "specversion": "1.0",
    "id": "evt-1",
    "source": "/shop",
    "type": "order.completed",
    "data": {"order_id": "1042", "customer_id": "cust_1", "total": "50.00", "currency": "USD"},
}


async def detail(shop: Shop, *request: Any, **named: Any) -> str:
    response = await shop.call(*request, **named)
    assert response.status >= 400
    text: str = response.json["detail"]
    return text


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("", "No API key was sent. Send your API key as `Authorization: Bearer wk_live_…`."),
        ("Basic YTpi", "The Authorization header does not begin with `Bearer`. Send your API key"),
        ("Bearer wk_test_wrong", "is not an API key. An API key begins with wk_live_ or wk_test_"),
        (f"Bearer wk_test_{'x' * 43}", "unknown or revoked. Create a new key with `make key"),
    ],
)
async def test_a_caller_without_a_valid_key_learns_how_to_send_or_get_one(
    shop: Shop, authorization: str, expected: str
) -> None:
    headers = {"Authorization": authorization}
    assert expected in await detail(shop, "GET", "loyalty-programs", headers=headers)


async def test_a_missing_scope_is_reported_with_the_scopes_of_the_key(shop: Shop) -> None:
    key = await shop.stack.key(shop.store_id, scopes="manage,read")
    text = await detail(shop, "POST", "loyalty/earn", EARN, key=key)
    assert text == (
        "This operation needs the scope earn. This key has: manage, read. "
        f"`make key STORE={shop.store_id} SCOPES=earn` creates one with the scope."
    )


async def test_another_store_is_refused_with_the_path_of_the_keys_own(shop: Shop) -> None:
    assert "/v1/stores/me/" in await detail(shop, "GET", "loyalty-programs", store="store_demo")


async def test_a_wrong_path_is_refused_with_the_nearest_one(shop: Shop) -> None:
    text = await detail(shop, "GET", "loyalty/customer/cust_1")
    assert "Did you mean /v1/stores/me/loyalty/customers/{id}?" in text
    assert "/docs" in text


async def test_a_wrong_method_is_refused_with_the_right_one(shop: Shop) -> None:
    assert await detail(shop, "PUT", "loyalty/earn", EARN) == "This path supports only POST."


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", "The body is empty.", id="empty"),
        pytest.param(
            b'{"customer_id": "c", 5}',
            "The body is not valid JSON: object keys must be strings (line 1, column 22).",
            id="not JSON",
        ),
        pytest.param(
            {}, "#/customer_id: is required; #/points: is required; #/reason: is", id="missing"
        ),
        pytest.param(
            EARN | {"points": "500"}, "#/points: must be a whole number, not a string.", id="type"
        ),
        pytest.param(
            EARN | {"points": -5},
            "#/points: must be from 1 to 1,000,000,000; to remove points, use /loyalty/adjust.",
            id="below zero",
        ),
        pytest.param(
            EARN | {"customerId": "c"},
            "#/customerId: is an unknown field; did you mean `customer_id`?",
            id="unknown",
        ),
    ],
)
async def test_a_faulty_body_is_reported_with_the_place_and_the_rule(
    shop: Shop, body: object, expected: str
) -> None:
    assert (await detail(shop, "POST", "loyalty/earn", body)).startswith(expected)


async def test_a_form_is_refused_with_the_right_content_type(shop: Shop) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    text = await detail(shop, "POST", "loyalty/earn", b"points=5", headers=headers)
    assert text == "Send the body with `Content-Type: application/json`."


async def test_a_time_without_an_offset_is_reported_with_an_example(shop: Shop) -> None:
    event = ORDER | {"data": ORDER["data"] | {"completed_at": "2026-03-10T12:00:00"}}  # type: ignore[operator]
    text = await detail(shop, "POST", "events", event)
    expected = "must have an offset from UTC, as in 2026-03-10T12:00:00Z."
    assert text == f"#/data/completed_at: {expected}"


async def test_a_price_above_the_balance_is_refused_with_the_missing_points(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 100)
    text = await detail(
        shop, "POST", "loyalty/adjust", {"customer_id": "cust_1", "points": -500, "reason": "r"}
    )
    assert text == "The balance is 100 points; 500 are required (400 short)."


async def test_a_reused_idempotency_key_is_refused_with_the_advice_to_use_a_new_key(
    shop: Shop,
) -> None:
    await shop.program()
    key = secrets.token_hex(8)
    await shop.earn("cust_1", 5, **{"Idempotency-Key": key})
    headers = {"Idempotency-Key": key}
    text = await detail(shop, "POST", "loyalty/earn", EARN, headers=headers)
    assert "Use a new key for a new request." in text


async def test_the_list_of_error_codes_and_each_of_its_pages_is_served(shop: Shop) -> None:
    page = await shop.page("/problems")
    assert page.status == 200
    assert b'href="/problems/insufficient_points"' in page.raw
    assert (await shop.page("/problems/insufficient_points")).status == 200
    unknown = await shop.page("/problems/nope")
    assert unknown.status == 404
    assert "/problems" in unknown.json["detail"]
