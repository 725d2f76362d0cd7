"""Anomalies on the real stack: reviewed, and the resolution carried out in the ledger."""

import asyncio
from typing import Any

from libs.contracts.topics import ANOMALY_RESOLVED
from libs.testing.eventually import eventually
from tests.flagging import become, flagged, heard, listed, patch, tell, told
from tests.support import Shop


async def test_a_replay_after_a_review_changes_nothing(shop: Shop) -> None:
    """What was approved is normal from then on, and only for what comes from then on."""
    events = [told(shop, "cust_1", 500, n * 600) for n in range(5)]
    events += [told(shop, "cust_1", 9_000, 4_000 + n * 600) for n in range(7)]
    await tell(shop, *events)
    await heard(shop)
    found = await listed(shop, "&customer_id=cust_1")
    assert len(found) == 7
    for one in found[1:]:
        answer = await patch(shop, one, {"status": "resolved", "resolution": "approved"})
        assert answer.status == 200
    before = await listed(shop, "&customer_id=cust_1")
    await tell(shop, *events)
    await heard(shop)
    assert await listed(shop, "&customer_id=cust_1") == before


async def test_voiding_takes_back_what_is_left_once(shop: Shop) -> None:
    await shop.program()
    for _ in range(5):
        await shop.earn("cust_1", 100)
    await shop.earn("cust_1", 2_000)
    for _ in range(4):
        await shop.earn("cust_1", 100)
    burst, single = await eventually(lambda: both(shop))
    assert burst["points_involved"] == 2_900
    await shop.balance_becomes(2_900)

    # Ten awards, of which the large one is in both anomalies: what one takes the other cannot.
    answer = await patch(shop, single, {"status": "resolved", "resolution": "voided"})
    assert (answer.status, answer.json["resolution"]) == (200, "voided")
    await shop.balance_becomes(900)
    await patch(shop, burst, {"status": "resolved", "resolution": "voided", "note": "A script"})
    status = await shop.balance_becomes(0)
    assert status["lifetime_points"] == 0

    # Delivered again, it changes nothing.
    resolved = await shop.read_events(ANOMALY_RESOLVED, count=2)
    for event, _ in resolved:
        await shop.publish(event, topic=ANOMALY_RESOLVED)
    await shop.earn("cust_1", 7)
    await shop.balance_becomes(7)
    await asyncio.sleep(0.5)
    await shop.balance_becomes(7)
    voids = await shop.call("GET", "loyalty/transactions?type=void")
    assert [one["points"] for one in voids.json["data"]] == [-900, -2_000]


async def both(shop: Shop) -> list[Any]:
    found = sorted(await listed(shop), key=lambda one: one["type"])
    assert [one["type"] for one in found] == ["rapid_earning", "unusual_amount"]
    assert found[0]["description"].startswith("10 ")
    return found


async def test_suspending_suspends_the_account(shop: Shop) -> None:
    await shop.program()
    for _ in range(10):
        await shop.earn("cust_1", 10)
    (found,) = await become(shop, "10 point transactions in 1 minute")
    answer = await patch(shop, found, {"status": "resolved", "resolution": "suspended"})
    assert answer.status == 200, answer.raw

    async def suspended() -> None:
        assert (await shop.status())["status"] == "suspended"

    await eventually(suspended)
    assert (await shop.earn("cust_1", 10)).json["code"] == "account_suspended"
    assert (await shop.status())["points_balance"] == 100


async def test_a_review_goes_from_pending_over_in_review_to_resolved(shop: Shop) -> None:
    found = await flagged(shop)
    taken = await patch(shop, found, {"status": "in_review", "note": "Looks like a script"})
    assert (taken.status, taken.json["status"]) == (200, "in_review")
    assert (taken.json["reviewed_by"], taken.json["note"]) == ("test", "Looks like a script")
    done = await patch(shop, found, {"status": "resolved", "resolution": "approved"})
    assert done.json["resolution"] == "approved"
    assert done.json["resolved_at"].endswith("Z")
    got = await shop.call("GET", f"loyalty/anomalies/{found['id']}")
    assert got.json == done.json
    assert await listed(shop, "&status=resolved") == [done.json]
    assert await listed(shop, "&status=pending_review") == []
    ((event, headers),) = await shop.read_events(ANOMALY_RESOLVED, count=1)
    assert headers["ce_id"] == f"{found['id']}:{event['version']}"
    assert event["resolution"] == "approved"


async def test_of_two_people_at_once_one_wins_and_the_other_is_told(shop: Shop) -> None:
    keys = [await shop.stack.key(shop.store_id, name=name) for name in ("Ada", "Grace")]
    for round_ in range(4):
        found = await flagged(shop, f"cust_{round_}")
        choices = ("approved", "voided")
        answers = await asyncio.gather(
            *(
                patch(shop, found, {"status": "resolved", "resolution": choice}, key=key)
                for choice, key in zip(choices, keys, strict=True)
            )
        )
        assert sorted(one.status for one in answers) == [200, 409]
        winner = next(one.json for one in answers if one.status == 200)
        told_ = next(one.json for one in answers if one.status == 409)
        assert told_["code"] == "conflict"
        assert told_["reviewed_by"] == winner["reviewed_by"]
        assert winner["reviewed_by"] in told_["detail"]
        got = await shop.call("GET", f"loyalty/anomalies/{found['id']}")
        assert got.json == winner


async def test_a_review_repeated_with_its_key_is_answered_the_same(shop: Shop) -> None:
    found = await flagged(shop)
    body = {"status": "resolved", "resolution": "approved"}
    key = {"Idempotency-Key": "once"}
    first = await patch(shop, found, body, headers=key)
    again = await patch(shop, found, body, headers=key)
    assert (first.status, again.status, again.raw) == (200, 200, first.raw)
    assert again.headers["Idempotency-Hit"] == "true"


async def test_earnings_of_a_resolved_anomaly_count_in_no_later_window(shop: Shop) -> None:
    found = await flagged(shop)
    await patch(shop, found, {"status": "resolved", "resolution": "approved"})
    await tell(shop, *(told(shop, "cust_1", 100, 20 + n) for n in range(9)))
    await heard(shop)
    assert len(await listed(shop, "&customer_id=cust_1")) == 1
    await tell(shop, told(shop, "cust_1", 100, 30))
    await heard(shop)
    newest, oldest = await listed(shop, "&customer_id=cust_1")
    assert oldest["id"] == found["id"]
    assert len(newest["transaction_ids"]) == 10
    assert not set(newest["transaction_ids"]) & set(oldest["transaction_ids"])


async def test_flagged_awards_are_normal_once_they_are_approved(shop: Shop) -> None:
    normal = [told(shop, "cust_1", 500, n * 1_000) for n in range(5)]
    large = [told(shop, "cust_1", 9_000, 6_000 + n * 1_000) for n in range(6)]
    await tell(shop, *normal, *large)
    await heard(shop)
    found = await listed(shop, "&customer_id=cust_1")
    assert len(found) == 6
    for one in found:
        await patch(shop, one, {"status": "resolved", "resolution": "approved"})
    await tell(shop, told(shop, "cust_1", 9_000, 13_000))
    await heard(shop)
    assert len(await listed(shop, "&customer_id=cust_1")) == 6


async def test_a_late_earning_joins_two_bursts(shop: Shop) -> None:
    first = [told(shop, "cust_1", 1, n) for n in range(10)]
    second = [told(shop, "cust_1", 1, 125 + n) for n in range(10)]
    await tell(shop, *first, *second)
    await heard(shop)
    younger, older = await listed(shop, "&customer_id=cust_1")
    await tell(shop, told(shop, "cust_1", 1, 60))
    await heard(shop)
    (joined,) = await listed(shop, "&customer_id=cust_1")
    assert joined["id"] == older["id"]
    assert joined["description"] == "21 point transactions in 3 minutes"
    # Whoever has the other's id is shown the one that it is part of.
    assert (await shop.call("GET", f"loyalty/anomalies/{younger['id']}")).json == joined
    refused = await patch(shop, younger, {"status": "in_review"})
    assert (refused.status, refused.json["code"]) == (409, "conflict")
