"""Suspicious earning on the real stack: flagged, reviewed, carried out in the ledger."""

import asyncio
import json
import random
import signal
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from libs.contracts.topics import (
    ANOMALY_FLAGGED,
    ANOMALY_RESOLVED,
    POINTS_EARNED,
    record_key,
)
from libs.kernel.clock import format_time
from libs.kernel.ids import new_id
from libs.testing.eventually import eventually
from tests.support import Shop, follow

# Yesterday at noon: far from midnight, and in the past for whoever checks.
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)

Told = dict[str, Any]


def told(shop: Shop, customer_id: str, points: int, second: float, **changes: object) -> Told:
    """An event of points.earned, `second` seconds after yesterday's noon."""
    at = format_time(NOON + timedelta(seconds=second))
    return {
        "store_id": shop.store_id,
        "transaction_id": new_id("txn"),
        "customer_id": customer_id,
        "sequence": 1,
        "type": "earn",
        "points": points,
        "balance_after": points,
        "lifetime_after": points,
        "reason": "Order #1",
        "occurred_at": at,
        "created_at": at,
        **changes,
    }


async def tell(shop: Shop, *events: Told) -> None:
    for one in events:
        await shop.publish(one, topic=POINTS_EARNED)


async def listed(shop: Shop, query: str = "") -> list[Any]:
    answer = await shop.call("GET", f"loyalty/anomalies?limit=100{query}")
    assert answer.status == 200, answer.raw
    assert answer.json["total"] == len(answer.json["data"])
    return answer.json["data"]


async def become(shop: Shop, *descriptions: str, query: str = "") -> list[Any]:
    """Wait until the list has these descriptions, in any order; answers it."""

    async def look() -> list[Any]:
        found = await listed(shop, query)
        assert sorted(one["description"] for one in found) == sorted(descriptions)
        return found

    return await eventually(look, within_seconds=10)


async def heard(shop: Shop) -> None:
    """Wait until anomaly has heard everything so far: another customer's burst is flagged."""
    customer = new_id("heard")
    await tell(shop, *(told(shop, customer, 1, 86_000 + n / 10) for n in range(10)))

    async def look() -> None:
        assert await listed(shop, f"&customer_id={customer}")

    await eventually(look, within_seconds=10)


async def of(shop: Shop, customer: str) -> list[tuple[Any, ...]]:
    """What is flagged of a customer, without what differs from run to run."""
    return sorted(
        (one["type"], one["description"], one["points_involved"], len(one["transaction_ids"]))
        for one in await listed(shop, f"&customer_id={customer}")
    )


async def patch(shop: Shop, anomaly: Any, body: object, **more: Any) -> Any:
    return await shop.call("PATCH", f"loyalty/anomalies/{anomaly['id']}", body, **more)


async def test_fifteen_earnings_in_two_minutes_are_one_anomaly(shop: Shop) -> None:
    await shop.program()
    answers = [await shop.earn("cust_xyz789", 500) for _ in range(15)]
    await become(shop, "15 point transactions in 1 minute")

    # The same by orders, spread over the whole two minutes.
    orders = [
        shop.order(
            f"o{n}",
            customer_id="cust_2",
            completed_at=format_time(NOON + timedelta(seconds=8 * n)),
        )
        for n in range(15)
    ]
    await shop.publish_all(orders)
    found = await become(
        shop, "15 point transactions in 1 minute", "15 point transactions in 2 minutes"
    )
    first = next(one for one in found if one["customer_id"] == "cust_xyz789")
    assert list(first)[:7] == [
        "id",
        "customer_id",
        "type",
        "description",
        "points_involved",
        "status",
        "flagged_at",
    ]
    assert (first["type"], first["points_involved"]) == ("rapid_earning", 7_500)
    assert first["status"] == "pending_review"
    assert first["transaction_ids"] == [one.json["id"] for one in answers]


async def test_one_award_ten_times_the_usual_is_one_anomaly(shop: Shop) -> None:
    await shop.program()
    for n in range(5):
        at = format_time(NOON - timedelta(hours=n))
        await shop.publish(shop.order(f"o{n}", total="500", completed_at=at))
    # Bronze, Silver twice, Gold twice: a median of 7,500 points.
    await shop.balance_becomes(40_000)
    assert (await shop.earn("cust_1", 100_000)).status == 201
    (found,) = await eventually(lambda: some(shop))
    assert found["type"] == "unusual_amount"
    assert found["description"] == "Single earning of 100,000 points (13x normal)"
    assert found["evidence"]["baseline"] == "customer"


async def some(shop: Shop) -> list[Any]:
    found = await listed(shop)
    assert found
    return found


async def test_a_burst_is_flagged_while_it_grows(shop: Shop) -> None:
    await tell(shop, *(told(shop, "cust_1", 100, n) for n in range(10)))
    await become(shop, "10 point transactions in 1 minute")
    await tell(shop, *(told(shop, "cust_1", 100, 50 + n * 10) for n in range(10)))
    (found,) = await become(shop, "20 point transactions in 3 minutes")
    events = await versions(shop, found["id"], found["transaction_ids"])
    assert [one["version"] for one in events] == list(range(1, len(events) + 1))
    sizes = [len(one["transaction_ids"]) for one in events]
    assert sizes == sorted(set(sizes)), "each version grows"


async def versions(shop: Shop, anomaly_id: str, last: list[str]) -> list[Any]:
    """Every version of an anomaly that was told, up to the one with the transactions `last`."""
    found = []
    async with aclosing(follow(shop.stack.kafka, ANOMALY_FLAGGED)) as records:
        async for record in records:
            event = json.loads(record.value)
            if event["id"] != anomaly_id:
                continue
            headers = dict(record.headers)
            assert headers["ce_id"].decode() == f"{anomaly_id}:{event['version']}"
            assert record.key == record_key(shop.store_id, event["customer_id"])
            found.append(event)
            if event["transaction_ids"] == last:
                return found
    raise AssertionError(f"the last version never came: {found}")


async def test_a_replayed_topic_flags_nothing_new(shop: Shop) -> None:
    burst = [told(shop, "cust_1", 100, n) for n in range(10)]
    large = [told(shop, "cust_2", 500, n * 1_000) for n in range(5)]
    large.append(told(shop, "cust_2", 9_000, 6_000))
    nine = [told(shop, "cust_3", 100, n) for n in range(9)]
    for _ in range(3):
        await tell(shop, *burst, *large, *nine)
    await heard(shop)
    assert await of(shop, "cust_1") == [
        ("rapid_earning", "10 point transactions in 1 minute", 1_000, 10)
    ]
    assert await of(shop, "cust_2") == [
        ("unusual_amount", "Single earning of 9,000 points (18x normal)", 9_000, 1)
    ]
    assert await of(shop, "cust_3") == []


async def test_a_replay_withdraws_nothing_that_later_earnings_joined(shop: Shop) -> None:
    """The burst takes the five small ones out of the baseline, but only after they were it."""
    points = [200] * 5 + [2_500] + [200] * 4
    events = [told(shop, "cust_1", one, n) for n, one in enumerate(points)]
    wanted = [
        ("rapid_earning", "10 point transactions in 1 minute", 4_300, 10),
        ("unusual_amount", "Single earning of 2,500 points (12x normal)", 2_500, 1),
    ]
    # In order, all once more, and another customer's with the large one last.
    await tell(shop, *events[:6])
    await heard(shop)
    await tell(shop, *events[6:], *events)
    other = [told(shop, "cust_2", one, n) for n, one in enumerate(points)]
    await tell(shop, *other[:5], *other[6:], other[5])
    await heard(shop)
    assert await of(shop, "cust_1") == wanted
    assert await of(shop, "cust_2") == wanted


async def test_a_late_earning_of_anybody_counts_for_the_stores_baseline(shop: Shop) -> None:
    """A first earning is measured by the store's, of which some came after it."""
    await tell(shop, told(shop, "cust_new", 5_000, 3_600))
    await heard(shop)
    assert await of(shop, "cust_new") == []
    await tell(shop, *(told(shop, f"cust_{n}", 100, n) for n in range(5)))
    await heard(shop)
    found = [("unusual_amount", "Single earning of 5,000 points (50x normal)", 5_000, 1)]
    assert await of(shop, "cust_new") == found


async def test_a_late_small_earning_of_the_same_day_counts_for_the_customers_own(
    shop: Shop,
) -> None:
    await tell(shop, *(told(shop, "cust_1", one, n * 600) for n, one in enumerate([100, 100])))
    await tell(shop, *(told(shop, "cust_1", 300, 2_000 + n * 600) for n in range(3)))
    await tell(shop, told(shop, "cust_1", 2_000, 9_000))
    await heard(shop)
    assert await of(shop, "cust_1") == []
    await tell(shop, *(told(shop, "cust_1", 100, 5_000 + n * 600) for n in range(2)))
    await heard(shop)
    found = [("unusual_amount", "Single earning of 2,000 points (20x normal)", 2_000, 1)]
    assert await of(shop, "cust_1") == found


async def test_a_single_earning_can_make_a_day_unlike_the_others(shop: Shop) -> None:
    day = 86_400
    await tell(shop, *(told(shop, "cust_1", 100, (n - 16) * day) for n in range(14)))
    await tell(shop, told(shop, "cust_1", 188, -2 * day))
    await heard(shop)
    assert await of(shop, "cust_1") == []
    # A score of 6: 100 + 6 × 10 ÷ 0.6745 = 188.96.
    await tell(shop, told(shop, "cust_1", 189, -day))
    await heard(shop)
    ((kind, _, points, earnings),) = await of(shop, "cust_1")
    assert (kind, points, earnings) == ("deviation", 189, 1)


async def test_late_earnings_before_midnight_join_one_after_it(shop: Shop) -> None:
    midnight = -43_200
    await tell(shop, *(told(shop, "cust_1", 5, midnight - 40_000 + n * 600) for n in range(2)))
    await heard(shop)
    await tell(shop, told(shop, "cust_1", 5, midnight + 10))
    await heard(shop)
    await tell(shop, *(told(shop, "cust_1", 5, midnight - 30 + n) for n in range(9)))
    await heard(shop)
    found = [("rapid_earning", "10 point transactions in 1 minute", 50, 10)]
    assert await of(shop, "cust_1") == found


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


def story(shop: Shop, customer: str) -> list[Told]:
    """A customer's earnings that make each of the three detectors find something, in order."""
    day = 86_400
    steady = [told(shop, customer, 1_000, (n - 20) * day) for n in range(16)]
    strange = [told(shop, customer, 900, -2 * day + n * 3_000) for n in range(3)]
    burst = [told(shop, customer, 50, n * 13) for n in range(12)]
    single = [told(shop, customer, 20_000, 7_200)]
    return [*steady, *strange, *burst, *single]


STORY = [
    ("deviation", "2,700 points", 2_700, 3),
    ("rapid_earning", "12 point transactions in 3 minutes", 600, 12),
    ("unusual_amount", "Single earning of 20,000 points (20x normal)", 20_000, 1),
]


async def test_any_order_of_arrival_gives_the_same_flags(shop: Shop) -> None:
    """Out of order, an hour late, and with Redis emptied in the middle: as if in order."""
    seed = random.randrange(10**6)
    print("seed", seed)
    shuffled = random.Random(seed)
    customers = [f"cust_{n}" for n in range(8)]
    stories = {one: story(shop, one) for one in customers}
    for events in list(stories.values())[1:]:
        shuffled.shuffle(events)
    redis = Redis.from_url(shop.stack.addresses.redis)
    for step in range(len(stories["cust_0"])):
        await tell(shop, *(events[step] for events in stories.values()))
        if step in {8, 20, 27}:
            await redis.flushall()
        await asyncio.sleep(0.05)
    await redis.aclose()
    await heard(shop)
    wanted = await of(shop, "cust_0")
    assert [one[0] for one in wanted if one[0] != "deviation"] == [
        "rapid_earning",
        "unusual_amount",
    ]
    for customer in customers[1:]:
        assert await of(shop, customer) == wanted, customer


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


async def flagged(shop: Shop, customer: str = "cust_1") -> Any:
    """A pending anomaly of a customer's own."""
    await tell(shop, *(told(shop, customer, 100, n) for n in range(10)))

    async def look() -> Any:
        found = await listed(shop, f"&customer_id={customer}")
        assert [one["description"] for one in found] == ["10 point transactions in 1 minute"]
        return found[0]

    return await eventually(look, within_seconds=10)


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


async def test_a_detector_in_shadow_shows_nothing_and_one_that_is_off_finds_nothing(
    shop: Shop,
) -> None:
    chosen = {"unusual_amount": {"mode": "shadow"}, "deviation": {"mode": "off"}}
    answer = await shop.call("PUT", "loyalty/anomaly-settings", chosen)
    assert answer.status == 200, answer.raw
    normal = [told(shop, "cust_1", 500, n * 1_000) for n in range(5)]
    await tell(shop, *normal, told(shop, "cust_1", 9_000, 6_000))
    await heard(shop)
    assert await listed(shop, "&customer_id=cust_1") == []


async def test_settings_are_replaced_and_judge_what_is_earned_from_then_on(shop: Shop) -> None:
    shipped = {
        "rapid_earning": {"mode": "review", "count": 10, "window_seconds": 120},
        "unusual_amount": {"mode": "review", "factor": 10, "min_history": 5, "min_points": 1000},
        "deviation": {"mode": "review", "score": 6, "min_days": 14},
    }
    assert (await shop.call("GET", "loyalty/anomaly-settings")).json == shipped
    await tell(shop, *(told(shop, "cust_1", 100, n) for n in range(9)))
    await heard(shop)
    chosen = {"rapid_earning": {"count": 3}}
    key = {"Idempotency-Key": "settings"}
    put = await shop.call("PUT", "loyalty/anomaly-settings", chosen, headers=key)
    assert put.json == shipped | {"rapid_earning": shipped["rapid_earning"] | {"count": 3}}
    assert (await shop.call("GET", "loyalty/anomaly-settings")).json == put.json
    again = await shop.call("PUT", "loyalty/anomaly-settings", chosen, headers=key)
    assert again.headers["Idempotency-Hit"] == "true"
    await tell(shop, *(told(shop, "cust_2", 100, n) for n in range(3)))
    await heard(shop)
    assert await listed(shop, "&customer_id=cust_1") == []
    assert len(await listed(shop, "&customer_id=cust_2")) == 1


async def test_a_backtest_tells_what_would_have_been_flagged_and_changes_nothing(
    shop: Shop,
) -> None:
    good, bad = await flagged(shop, "cust_1"), await flagged(shop, "cust_2")
    await patch(shop, good, {"status": "resolved", "resolution": "approved"})
    await patch(shop, bad, {"status": "resolved", "resolution": "voided"})
    await tell(shop, *(told(shop, "cust_3", 100, n) for n in range(8)))
    await heard(shop)
    before = await listed(shop)
    day = NOON.date().isoformat()
    asked = {"settings": {"rapid_earning": {"count": 8}}, "from": day, "to": day}
    answer = await shop.call("POST", "loyalty/anomaly-settings/backtest", asked)
    assert answer.status == 200, answer.raw
    rapid = next(one for one in answer.json["detectors"] if one["type"] == "rapid_earning")
    assert (rapid["flagged"], rapid["customers"], rapid["points_involved"]) == (3, 3, 2_800)
    assert rapid["days"] == [{"date": day, "flagged": 3, "points_involved": 2_800}]
    assert rapid["voided"] == {"total": 1, "flagged": 1}
    assert rapid["approved"] == {"total": 1, "flagged": 1}
    asked["settings"] = {"rapid_earning": {"count": 11}}
    stricter = (await shop.call("POST", "loyalty/anomaly-settings/backtest", asked)).json
    assert stricter["detectors"][0]["flagged"] == 0
    assert stricter["detectors"][0]["voided"] == {"total": 1, "flagged": 0}
    assert await listed(shop) == before


async def test_redis_away_loses_nothing(shop: Shop) -> None:
    """Judged from PostgreSQL meanwhile, and from windows again afterwards."""
    redis = shop.stack.process("redis")
    await tell(shop, *(told(shop, "cust_1", 100, n) for n in range(5)))
    await tell(shop, *(told(shop, "cust_2", 100, n) for n in range(9)))
    await heard(shop)
    shop.stack.kill("redis")
    await tell(shop, *(told(shop, "cust_1", 100, 5 + n) for n in range(5)))
    await eventually(lambda: burst_of_ten(shop, "cust_1"), within_seconds=15)

    async def back() -> None:
        present = shop.stack.process("redis")
        assert present.pid not in {None, redis.pid}

    await eventually(back, within_seconds=15)
    await tell(shop, told(shop, "cust_2", 100, 9))
    await eventually(lambda: burst_of_ten(shop, "cust_2"), within_seconds=10)


async def test_what_a_hanging_redis_was_not_told_counts_all_the_same(shop: Shop) -> None:
    """Its windows are there again, without what came meanwhile: they are not used any more."""
    await tell(shop, *(told(shop, "cust_1", 100, n) for n in range(3)))
    await heard(shop)
    shop.stack.kill("redis", signal.SIGSTOP)
    try:
        await heard(shop)
        await tell(shop, *(told(shop, "cust_1", 100, 3 + n) for n in range(4)))
        await heard(shop)
    finally:
        shop.stack.kill("redis", signal.SIGCONT)
    # Longer than Redis is left alone after a failure, so that windows are asked again.
    await asyncio.sleep(1.5)
    await tell(shop, *(told(shop, "cust_1", 100, 7 + n) for n in range(3)))
    await eventually(lambda: burst_of_ten(shop, "cust_1"), within_seconds=10)


async def burst_of_ten(shop: Shop, customer: str) -> None:
    assert await of(shop, customer) == [
        ("rapid_earning", "10 point transactions in 1 minute", 1_000, 10)
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"transaction_id": "txn_1"}, "invalid"),
        ({"customer_id": "a b"}, "invalid"),
        ({"occurred_at": "yesterday"}, "invalid"),
        ({"points": 0}, "invalid"),
        ({"points": "many"}, "malformed"),
    ],
)
async def test_what_is_no_earning_is_a_dead_letter(
    shop: Shop, changes: dict[str, object], code: str
) -> None:
    event = told(shop, "cust_1", 100, 0) | changes
    place = await shop.publish(event, topic=POINTS_EARNED, key=record_key(shop.store_id, "cust_1"))
    letter = await shop.dead_letter(place)
    assert letter.headers["dlq-code"] == code.encode()
