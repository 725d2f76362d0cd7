"""Suspicious earning on the real stack: flagged, whatever order and how often it comes."""

import asyncio
import json
import random
import signal
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from libs.contracts.topics import ANOMALY_FLAGGED, POINTS_EARNED, record_key
from libs.kernel.clock import format_time
from libs.testing.eventually import eventually
from tests.flagging import NOON, Told, become, heard, listed, of, tell, told
from tests.support import Shop, follow


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
            async for key in redis.scan_iter():
                await redis.delete(key)
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
        ({"customer_id": "a\x00b"}, "invalid"),
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
