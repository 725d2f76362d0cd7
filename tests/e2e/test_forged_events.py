"""Events of our own, forged or from a defect of their sender, stop no consumer."""

from typing import Any

import pytest

from libs.contracts.groups import GROUPS
from libs.contracts.topics import (
    ANOMALY_RESOLVED,
    CATALOG_REWARD,
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
)
from libs.testing.eventually import eventually
from tests.e2e.letters import dead_letters_of
from tests.support import Shop


def posted(shop: Shop, **changes: object) -> dict[str, object]:
    return {
        "store_id": shop.store_id,
        "transaction_id": "txn_0196f3a0-0000-7000-8000-000000000000",
        "customer_id": "cust_1",
        "sequence": 1,
        "type": "earn",
        "points": 5,
        "balance_after": 5,
        "lifetime_after": 5,
        "reason": "Hello",
        "occurred_at": "2026-03-10T12:00:00.000Z",
        "created_at": "2026-03-10T12:00:00.000Z",
        **changes,
    }


def reward(shop: Shop, **changes: object) -> dict[str, object]:
    return {
        "store_id": shop.store_id,
        "id": "rwd_1",
        "version": 1,
        "name": "Coffee",
        "points_cost": 5,
        "type": "perk",
        "is_active": True,
        "created_at": "2026-03-10T12:00:00.000Z",
        **changes,
    }


def resolved(shop: Shop, **changes: object) -> dict[str, object]:
    return {
        "store_id": shop.store_id,
        "id": "anom_0196f3a0-0000-7000-8000-000000000000",
        "version": 2,
        "customer_id": "cust_1",
        "type": "rapid_earning",
        "description": "15 point transactions in 2 minutes",
        "points_involved": 5,
        "status": "resolved",
        "flagged_at": "2026-03-10T12:00:00.000Z",
        "transaction_ids": [],
        "resolution": "suspended",
        **changes,
    }


REWARDED = {"id": "rwd_1", "name": "Coffee"}
FORGED: list[Any] = [
    (POINTS_EARNED, posted, {"customer_id": "a\x00b"}),
    (POINTS_EARNED, posted, {"points": 2**62}),
    (POINTS_EARNED, posted, {"points": -1}),
    (POINTS_EARNED, posted, {"occurred_at": "yesterday"}),
    (POINTS_EARNED, posted, {"transaction_id": "txn_1"}),
    (
        POINTS_REDEEMED,
        posted,
        {"type": "redeem", "reward": {"id": "a\x00b", "name": "x"}},
    ),
    (
        POINTS_ADJUSTED,
        posted,
        {"type": "cancel", "reward": REWARDED, "transaction_id": "t\x1f"},
    ),
    (CATALOG_REWARD, reward, {"created_at": "x"}),
    (CATALOG_REWARD, reward, {"name": "a\x00b"}),
    (CATALOG_REWARD, reward, {"version": 2**63}),
    (CATALOG_REWARD, reward, {"starts_at": "2026-02-30T00:00:00Z"}),
    (ANOMALY_RESOLVED, resolved, {"id": "a\x00b"}),
    (ANOMALY_RESOLVED, resolved, {"note": "a\x00b"}),
    (
        ANOMALY_RESOLVED,
        resolved,
        {"transaction_ids": ["a\x00b"], "resolution": "voided"},
    ),
]


@pytest.mark.parametrize(("topic", "make", "changes"), FORGED)
async def test_an_event_of_ours_that_breaks_a_bound_is_a_dead_letter_and_stops_nobody(
    shop: Shop, topic: str, make: Any, changes: dict[str, object]
) -> None:
    place = await shop.publish(make(shop, **changes), topic=topic)
    for group in GROUPS:
        if topic not in group.topics:
            continue
        letter = await shop.dead_letter(place, service=group.service)
        assert letter.headers["dlq-code"] == b"invalid"


async def test_a_time_in_any_offset_and_case_stops_no_reader(shop: Shop) -> None:
    """PostgreSQL takes no offset of sixteen hours or more, and RFC 3339 has any up to a day."""
    await shop.program()
    await shop.publish(posted(shop, occurred_at="2026-03-10T12:00:00+23:59"), topic=POINTS_EARNED)
    times = {"starts_at": "2026-03-10t12:00:00z", "created_at": "2026-03-10 12:00:00-23:59"}
    await shop.publish(reward(shop, **times), topic=CATALOG_REWARD)
    for _ in range(10):
        await shop.earn("cust_1", 500)

    async def all_is_read() -> None:
        page = await shop.call("GET", "loyalty/rewards?customer_id=cust_1")
        assert [one["starts_at"] for one in page.json["data"]]
        assert (await shop.call("GET", "loyalty/anomalies")).json["total"] == 1

    await eventually(all_is_read)
    for topic in (POINTS_EARNED, CATALOG_REWARD):
        assert await dead_letters_of(shop, topic) == []


async def test_kinds_that_come_later_pass_every_reader(shop: Shop) -> None:
    """A newer service's events are no dead letters of an older reader."""
    await shop.program()
    await shop.publish(posted(shop, type="transfer"), topic=POINTS_ADJUSTED)
    await shop.publish(reward(shop, type="gift"), topic=CATALOG_REWARD)
    await shop.publish(
        resolved(shop, type="night_owl", resolution="warned"), topic=ANOMALY_RESOLVED
    )
    await shop.earn("cust_1", 500)

    async def offered() -> None:
        page = await shop.call("GET", "loyalty/rewards?customer_id=cust_1")
        assert [one["type"] for one in page.json["data"]] == ["gift"]

    await eventually(offered)
    for topic in (POINTS_ADJUSTED, CATALOG_REWARD, ANOMALY_RESOLVED):
        assert await dead_letters_of(shop, topic) == []
