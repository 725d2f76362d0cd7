"""Suspicious earning on the real stack is flagged, in any order of arrival and with duplicates."""

import asyncio
import json
import random
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from libs.contracts.topics import ANOMALY_FLAGGED, POINTS_EARNED, record_key
from libs.kernel.clock import format_time
from libs.testing.eventually import eventually
from tests.flagging import (
    NOON,
    Event,
    earned,
    flags_of,
    list_anomalies,
    publish,
    wait_for_descriptions,
    wait_until_judged,
)
from tests.support import Shop, follow


async def test_fifteen_earnings_in_two_minutes_are_one_anomaly(shop: Shop) -> None:
    await shop.program()
    awards = [await shop.earn("cust_xyz789", 500) for _ in range(15)]
    await wait_for_descriptions(shop, "15 point transactions in 1 minute")

    # The same from orders, over the whole two minutes.
    orders = [
        shop.order(
            f"o{n}",
            customer_id="cust_2",
            completed_at=format_time(NOON + timedelta(seconds=8 * n)),
        )
        for n in range(15)
    ]
    await shop.publish_all(orders)
    anomalies = await wait_for_descriptions(
        shop, "15 point transactions in 1 minute", "15 point transactions in 2 minutes"
    )
    first = next(one for one in anomalies if one["customer_id"] == "cust_xyz789")
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
    assert first["transaction_ids"] == [award.json["id"] for award in awards]


async def test_one_award_ten_times_the_usual_is_one_anomaly(shop: Shop) -> None:
    await shop.program()
    for n in range(5):
        at = format_time(NOON - timedelta(hours=n))
        await shop.publish(shop.order(f"o{n}", total="500", completed_at=at))
    # Bronze, Silver twice, Gold twice: a median of 7,500 points.
    await shop.balance_becomes(40_000)
    assert (await shop.earn("cust_1", 100_000)).status == 201
    (anomaly,) = await eventually(lambda: any_anomalies(shop))
    assert anomaly["type"] == "unusual_amount"
    assert anomaly["description"] == "Single earning of 100,000 points (13x normal)"
    assert anomaly["evidence"]["baseline"] == "customer"


async def any_anomalies(shop: Shop) -> list[Any]:
    anomalies = await list_anomalies(shop)
    assert anomalies
    return anomalies


async def test_a_burst_is_flagged_while_it_grows(shop: Shop) -> None:
    await publish(shop, *(earned(shop, "cust_1", 100, n) for n in range(10)))
    await wait_for_descriptions(shop, "10 point transactions in 1 minute")
    await publish(shop, *(earned(shop, "cust_1", 100, 50 + n * 10) for n in range(10)))
    (anomaly,) = await wait_for_descriptions(shop, "20 point transactions in 3 minutes")
    events = await read_versions(shop, anomaly["id"], anomaly["transaction_ids"])
    assert [one["version"] for one in events] == list(range(1, len(events) + 1))
    sizes = [len(one["transaction_ids"]) for one in events]
    assert sizes == sorted(set(sizes)), "each version grows"


async def read_versions(shop: Shop, anomaly_id: str, last: list[str]) -> list[Any]:
    """Every published version of an anomaly, up to the one with the transactions `last`."""
    versions = []
    async with aclosing(follow(shop.stack.kafka, ANOMALY_FLAGGED)) as records:
        async for record in records:
            event = json.loads(record.value)
            if event["id"] != anomaly_id:
                continue
            headers = dict(record.headers)
            assert headers["ce_id"].decode() == f"{anomaly_id}:{event['version']}"
            assert record.key == record_key(shop.store_id, event["customer_id"])
            versions.append(event)
            if event["transaction_ids"] == last:
                return versions
    raise AssertionError(f"the last version was not published: {versions}")


async def test_a_replayed_topic_flags_nothing_new(shop: Shop) -> None:
    burst = [earned(shop, "cust_1", 100, n) for n in range(10)]
    large = [earned(shop, "cust_2", 500, n * 1_000) for n in range(5)]
    large.append(earned(shop, "cust_2", 9_000, 6_000))
    nine = [earned(shop, "cust_3", 100, n) for n in range(9)]
    for _ in range(3):
        await publish(shop, *burst, *large, *nine)
    await wait_until_judged(shop)
    assert await flags_of(shop, "cust_1") == [
        ("rapid_earning", "10 point transactions in 1 minute", 1_000, 10)
    ]
    assert await flags_of(shop, "cust_2") == [
        ("unusual_amount", "Single earning of 9,000 points (18x normal)", 9_000, 1)
    ]
    assert await flags_of(shop, "cust_3") == []


async def test_a_replay_withdraws_nothing_that_later_earnings_extended(shop: Shop) -> None:
    """The burst excludes the five small earnings from the baseline, after they were part of it."""
    points = [200] * 5 + [2_500] + [200] * 4
    events = [earned(shop, "cust_1", one, n) for n, one in enumerate(points)]
    expected = [
        ("rapid_earning", "10 point transactions in 1 minute", 4_300, 10),
        ("unusual_amount", "Single earning of 2,500 points (12x normal)", 2_500, 1),
    ]
    # In order, then all again; another customer's with the large one last.
    await publish(shop, *events[:6])
    await wait_until_judged(shop)
    await publish(shop, *events[6:], *events)
    other = [earned(shop, "cust_2", one, n) for n, one in enumerate(points)]
    await publish(shop, *other[:5], *other[6:], other[5])
    await wait_until_judged(shop)
    assert await flags_of(shop, "cust_1") == expected
    assert await flags_of(shop, "cust_2") == expected


async def test_a_late_earning_of_another_customer_counts_in_the_stores_baseline(shop: Shop) -> None:
    """A first earning is compared with the store's baseline, part of which arrives after it."""
    await publish(shop, earned(shop, "cust_new", 5_000, 3_600))
    await wait_until_judged(shop)
    assert await flags_of(shop, "cust_new") == []
    await publish(shop, *(earned(shop, f"cust_{n}", 100, n) for n in range(5)))
    await wait_until_judged(shop)
    expected = [("unusual_amount", "Single earning of 5,000 points (50x normal)", 5_000, 1)]
    assert await flags_of(shop, "cust_new") == expected


async def test_a_late_small_earning_of_the_same_day_counts_in_the_customers_baseline(
    shop: Shop,
) -> None:
    await publish(shop, *(earned(shop, "cust_1", one, n * 600) for n, one in enumerate([100, 100])))
    await publish(shop, *(earned(shop, "cust_1", 300, 2_000 + n * 600) for n in range(3)))
    await publish(shop, earned(shop, "cust_1", 2_000, 9_000))
    await wait_until_judged(shop)
    assert await flags_of(shop, "cust_1") == []
    await publish(shop, *(earned(shop, "cust_1", 100, 5_000 + n * 600) for n in range(2)))
    await wait_until_judged(shop)
    expected = [("unusual_amount", "Single earning of 2,000 points (20x normal)", 2_000, 1)]
    assert await flags_of(shop, "cust_1") == expected


async def test_a_single_earning_can_make_a_day_deviate(shop: Shop) -> None:
    day = 86_400
    await publish(shop, *(earned(shop, "cust_1", 100, (n - 16) * day) for n in range(14)))
    await publish(shop, earned(shop, "cust_1", 188, -2 * day))
    await wait_until_judged(shop)
    assert await flags_of(shop, "cust_1") == []
    # A score of 6: 100 + 6 × 10 ÷ 0.6745 = 188.96.
    await publish(shop, earned(shop, "cust_1", 189, -day))
    await wait_until_judged(shop)
    ((kind, _, points, earnings),) = await flags_of(shop, "cust_1")
    assert (kind, points, earnings) == ("deviation", 189, 1)


async def test_late_earnings_before_midnight_join_one_after_it(shop: Shop) -> None:
    midnight = -43_200
    await publish(shop, *(earned(shop, "cust_1", 5, midnight - 40_000 + n * 600) for n in range(2)))
    await wait_until_judged(shop)
    await publish(shop, earned(shop, "cust_1", 5, midnight + 10))
    await wait_until_judged(shop)
    await publish(shop, *(earned(shop, "cust_1", 5, midnight - 30 + n) for n in range(9)))
    await wait_until_judged(shop)
    expected = [("rapid_earning", "10 point transactions in 1 minute", 50, 10)]
    assert await flags_of(shop, "cust_1") == expected


def history(shop: Shop, customer: str) -> list[Event]:
    """A customer's earnings in which each of the three detectors finds something, in order."""
    day = 86_400
    steady = [earned(shop, customer, 1_000, (n - 20) * day) for n in range(16)]
    deviating = [earned(shop, customer, 900, -2 * day + n * 3_000) for n in range(3)]
    burst = [earned(shop, customer, 50, n * 13) for n in range(12)]
    single = [earned(shop, customer, 20_000, 7_200)]
    return [*steady, *deviating, *burst, *single]


async def test_any_order_of_arrival_gives_the_same_flags(shop: Shop) -> None:
    """Out of order, an hour late, and with the digests deleted in between."""
    seed = random.randrange(10**6)
    print("seed", seed)
    shuffled = random.Random(seed)
    customers = [f"cust_{n}" for n in range(8)]
    histories = {one: history(shop, one) for one in customers}
    for events in list(histories.values())[1:]:
        shuffled.shuffle(events)
    database = await asyncpg.connect(shop.stack.database("anomaly", owner=True))
    for step in range(len(histories["cust_0"])):
        await publish(shop, *(events[step] for events in histories.values()))
        if step in {8, 20, 27}:
            await database.execute("DELETE FROM digests")
        await asyncio.sleep(0.05)
    await database.close()
    await wait_until_judged(shop)
    expected = await flags_of(shop, "cust_0")
    assert [one[0] for one in expected if one[0] != "deviation"] == [
        "rapid_earning",
        "unusual_amount",
    ]
    for customer in customers[1:]:
        assert await flags_of(shop, customer) == expected, customer


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
async def test_an_invalid_earning_is_a_dead_letter(
    shop: Shop, changes: dict[str, object], code: str
) -> None:
    event = earned(shop, "cust_1", 100, 0) | changes
    place = await shop.publish(event, topic=POINTS_EARNED, key=record_key(shop.store_id, "cust_1"))
    letter = await shop.dead_letter(place)
    assert letter.headers["dlq-code"] == code.encode()
