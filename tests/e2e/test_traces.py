"""The trace of a request is on every event that the request causes."""

import asyncio
from typing import Any

from libs.contracts.topics import (
    ANOMALY_RESOLVED,
    CATALOG_REWARD,
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
)
from libs.testing.eventually import eventually
from tests.support import Shop

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_write_hands_its_trace_to_the_events_it_causes(shop: Shop) -> None:
    await shop.program(tiers=[{"name": "All", "min_points": 0, "multiplier": 1}])
    traced = {"traceparent": TRACE}
    await shop.earn("cust_1", 500, **traced)
    adjust = {"customer_id": "cust_1", "points": -5, "reason": "Sorry"}
    await shop.call("POST", "loyalty/adjust", adjust, headers=traced)
    reward = {"name": "Coffee", "points_cost": 5, "type": "perk"}
    created = await shop.call("POST", "loyalty/rewards", reward, headers=traced)
    body = {"customer_id": "cust_1", "reward_id": created.json["id"]}
    redeemed = await shop.call("POST", "loyalty/redeem", body, headers=traced)
    assert redeemed.status == 201, redeemed.raw
    for topic in (
        *(POINTS_EARNED, POINTS_ADJUSTED, POINTS_REDEEMED, CATALOG_REWARD, "points.tier_changed"),
    ):
        ((_, headers),) = await shop.read_events(topic, count=1)
        assert headers["traceparent"] == TRACE, topic


async def test_requests_that_share_a_transaction_keep_their_traces(shop: Shop) -> None:
    await shop.program()
    items = [{"customer_id": f"cust_{n}", "points": 5, "reason": "Hello"} for n in range(3)]
    traces = [f"00-{n:032x}-00f067aa0ba902b7-01" for n in range(1, 4)]
    sent = [
        shop.call("POST", "loyalty/earn", item, headers={"traceparent": trace})
        for item, trace in zip(items, traces, strict=True)
    ]
    await asyncio.gather(*sent)
    events = await shop.read_events(POINTS_EARNED, count=3)
    by_customer = {event["customer_id"]: headers["traceparent"] for event, headers in events}
    assert by_customer == {f"cust_{n}": trace for n, trace in enumerate(traces)}


async def test_an_event_that_no_request_caused_has_no_trace(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1"), headers=[("traceparent", TRACE.encode())])
    ((_, headers),) = await shop.read_events(POINTS_EARNED, count=1)
    assert "traceparent" not in headers


async def test_a_review_hands_its_trace_on(shop: Shop) -> None:
    await shop.program()
    for _ in range(10):
        await shop.earn("cust_1", 5)

    async def flagged() -> Any:
        page = await shop.call("GET", "loyalty/anomalies")
        assert page.json["data"]
        return page.json["data"][0]

    anomaly = await eventually(flagged)
    resolve = {"status": "resolved", "resolution": "voided"}
    path = f"loyalty/anomalies/{anomaly['id']}"
    response = await shop.call("PATCH", path, resolve, headers={"traceparent": TRACE})
    assert response.status == 200, response.raw
    ((_, headers),) = await shop.read_events(ANOMALY_RESOLVED, count=1)
    assert headers["traceparent"] == TRACE
