"""Manual awards in batches, and adjustments, through the API."""

from typing import Any

from tests.contract.test_request_checks import assert_problem
from tests.support import Shop


async def test_an_adjustment_leaves_the_lifetime_and_never_goes_below_zero(shop: Shop) -> None:
    async def adjust(points: int, customer_id: str = "cust_1") -> object:
        body = {"customer_id": customer_id, "points": points, "reason": "Correction"}
        return await shop.call("POST", "loyalty/adjust", body)

    response = await adjust(700)
    assert response.status == 201  # type: ignore[attr-defined]
    assert response.json["type"] == "adjust"  # type: ignore[attr-defined]
    status = await shop.status()
    assert (status["points_balance"], status["lifetime_points"], status["tier"]) == (700, 0, None)
    refused = await adjust(-701)
    assert_problem(refused, 409, "insufficient_points")  # type: ignore[arg-type]
    details = refused.json  # type: ignore[attr-defined]
    assert (details["balance"], details["required"], details["missing"]) == (700, 701, 1)
    assert_problem(await adjust(-1, "cust_2"), 404, "not_found")  # type: ignore[arg-type]
    assert (await adjust(-700)).json["balance_after"] == 0  # type: ignore[attr-defined]
    assert_problem(await adjust(0), 400, "invalid_request")  # type: ignore[arg-type]


async def test_a_batch_has_a_verdict_for_each_item_in_order(shop: Shop) -> None:
    await shop.program()
    items = [
        {"customer_id": "cust_1", "points": 200, "reason": "Spring promotion"},
        {"customer_id": "cust 2", "points": 200, "reason": "Spring promotion"},
        {"customer_id": "cust_3", "points": "many", "reason": "Spring promotion"},
        {"customer_id": "cust_1", "points": 300, "reason": "Spring promotion"},
    ]
    key = {"Idempotency-Key": "spring"}
    response = await shop.call("POST", "loyalty/earn/batch", {"items": items}, headers=key)
    assert response.status == 200
    verdicts = response.json["data"]
    assert [item["status"] for item in verdicts] == [201, 400, 400, 201]
    assert verdicts[3]["transaction"]["balance_after"] == 500
    assert verdicts[1]["problem"]["errors"][0]["pointer"] == "#/items/1/customer_id"
    assert verdicts[2]["problem"]["errors"][0]["pointer"] == "#/items/2/points"
    repeated = await shop.call("POST", "loyalty/earn/batch", {"items": items}, headers=key)
    assert (repeated.raw, repeated.headers["Idempotency-Hit"]) == (response.raw, "true")
    assert (await shop.status())["points_balance"] == 500


async def test_a_batch_with_an_invalid_envelope_is_refused_as_a_whole(shop: Shop) -> None:
    await shop.program()
    item = {"customer_id": "cust_1", "points": 1, "reason": "x"}
    bodies: tuple[dict[str, Any], ...] = (
        {"items": []},
        {"items": [item] * 501},
        {"items": item},
        {"things": [item]},
    )
    for body in bodies:
        response = await shop.call("POST", "loyalty/earn/batch", body)
        assert_problem(response, 400, "invalid_request")
    assert await shop.status() is None
    full = await shop.call("POST", "loyalty/earn/batch", {"items": [item] * 500})
    assert [item["status"] for item in full.json["data"]] == [201] * 500


async def test_a_batch_counts_as_its_items_in_the_rate_limit(shop: Shop) -> None:
    await shop.program()
    item = {"customer_id": "cust_1", "points": 1, "reason": "x"}
    batches = [
        await shop.call("POST", "loyalty/earn/batch", {"items": [item] * 300}) for _ in range(2)
    ]
    assert batches[0].status == 200
    assert_problem(batches[1], 429, "rate_limited")
    # The refused batch awarded nothing. The status is readable once the bucket has refilled.
    await shop.balance_becomes(300)
