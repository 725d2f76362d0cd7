"""What is in use of a reward's stock, as the points events say."""

import asyncio
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import PointsPosted, RewardRef, TransactionType
from libs.kernel.ids import uuid7
from libs.testing.eventually import eventually
from services.catalog.api.responses import encode_page
from services.catalog.handlers import usage
from services.catalog.handlers.resources import Resources
from services.catalog.handlers.reward_pages import RewardPages
from tests.integration.catalog.conftest import (
    FIRST_PAGE,
    STORE,
    carry_out,
    data_of,
    listing_of,
    new,
    renamed,
    revision,
)
from tests.support import Shop


def posted(
    number: int,
    kind: TransactionType = "redeem",
    *,
    reward: str | None = "rwd_1",
    store_id: str = STORE,
) -> PointsPosted:
    return PointsPosted(
        store_id=store_id,
        transaction_id=f"txn_{number}",
        customer_id="cust_1",
        sequence=number,
        type=kind,
        points=-500,
        balance_after=0,
        lifetime_after=500,
        reason="Free Shipping",
        occurred_at="2026-03-10T12:00:00.000Z",
        created_at="2026-03-10T12:00:00.000Z",
        reward=None if reward is None else RewardRef(reward, "Free Shipping"),
    )


async def count(engine: AsyncEngine, *events: PointsPosted) -> None:
    await usage.count(engine, [usage.find_change(event) for event in events])


async def stock_left(engine: AsyncEngine) -> int:
    (one,) = data_of(
        await RewardPages(engine, encode_page=encode_page).get(
            msgspec.structs.replace(FIRST_PAGE, include_all=True)
        )
    )
    stock_left: int = one["stock_left"]
    return stock_left


async def test_a_redemption_is_counted_once_however_often_it_is_delivered(
    resources: Resources, engine: AsyncEngine
) -> None:
    await carry_out(resources, new("rwd_1", stock=10))
    await count(engine, posted(1), posted(1), posted(2))
    before = await revision(engine)
    assert await stock_left(engine) == 8
    await count(engine, posted(2), posted(1))
    assert await stock_left(engine) == 8
    assert await revision(engine) == before
    await count(engine, posted(3, "cancel"), posted(2), posted(3, "cancel"))
    assert await stock_left(engine) == 9


async def test_only_redemptions_and_their_cancellations_change_a_stock(
    resources: Resources, engine: AsyncEngine
) -> None:
    await carry_out(resources, new("rwd_1", stock=10))
    kinds: tuple[TransactionType, ...] = ("earn", "refund", "void", "adjust", "expire")
    await count(engine, *(posted(number, kind) for number, kind in enumerate(kinds)))
    await count(engine, posted(6, reward=None), posted(7, reward="rwd_2"))
    await count(engine, posted(8, store_id="store_2"))
    assert await stock_left(engine) == 10


async def test_a_cancellation_that_arrives_first_adds_no_stock(
    resources: Resources, engine: AsyncEngine
) -> None:
    await carry_out(resources, new("rwd_1", stock=10))
    await count(engine, posted(2, "cancel"))
    assert await stock_left(engine) == 10
    await count(engine, posted(1))
    assert await stock_left(engine) == 10


async def test_a_cancellation_that_arrives_first_lists_no_reward_that_is_out_of_stock(
    resources: Resources, engine: AsyncEngine
) -> None:
    await carry_out(resources, new("rwd_1", stock=0))
    await count(engine, posted(1, "cancel"))
    assert await listing_of(engine) == []


async def test_more_in_use_than_the_stock_leaves_none(
    resources: Resources, engine: AsyncEngine
) -> None:
    await carry_out(resources, new("rwd_1", stock=2))
    await count(engine, *(posted(number) for number in range(3)))
    assert await stock_left(engine) == 0
    assert await listing_of(engine) == []


async def test_concurrent_batches_of_the_same_transactions_count_once_and_never_deadlock(
    resources: Resources, engine: AsyncEngine
) -> None:
    """As after a rebalance, when two members may hold the same records."""
    await carry_out(resources, new("rwd_1", stock=1_000))
    events = [
        posted(number, reward=f"rwd_{number % 2 + 1}", store_id=f"store_{number % 3 + 1}")
        for number in range(2_000)
    ]
    batches = [events if number % 2 else events[::-1] for number in range(8)]
    names = [renamed("rwd_1", f"name {number}") for number in range(12)]
    await asyncio.gather(
        *(count(engine, *batch) for batch in batches), *(carry_out(resources, one) for one in names)
    )
    assert await stock_left(engine) == 1_000 - 334


async def test_points_events_on_kafka_change_the_stock_once(
    shop: Shop, producer: AIOKafkaProducer
) -> None:
    body = {"id": "rwd_1", "name": "x", "points_cost": 1, "type": "perk", "stock": 2}
    await shop.call("POST", "loyalty/rewards", body)
    transactions: dict[str, str] = {}

    async def send(topic: str, event: PointsPosted) -> Any:
        transaction_id = transactions.setdefault(event.transaction_id, f"txn_{uuid7()}")
        event = msgspec.structs.replace(
            event, store_id=shop.store_id, transaction_id=transaction_id
        )
        return await shop.publish(msgspec.json.encode(event), topic=topic, key=b"k")

    async def left_becomes(expected: int) -> None:
        async def look() -> None:
            response = await shop.call("GET", "loyalty/rewards/rwd_1")
            assert response.json["stock_left"] == expected

        await eventually(look)

    for number in (1, 2, 1, 2):
        await send("points.redeemed", posted(number))
    await left_becomes(0)
    assert (await shop.call("GET", "loyalty/rewards")).json["data"] == []
    await send("points.adjusted", posted(3, "adjust"))
    await send("points.adjusted", posted(4, "cancel"))
    await send("points.adjusted", posted(4, "cancel"))
    await left_becomes(1)
    assert (await shop.call("GET", "loyalty/rewards")).json["total"] == 1


@pytest.mark.parametrize(
    "fault", [{"store_id": "a\0b"}, {"transaction_id": "t\0"}, {"reward": RewardRef("r\0", "x")}]
)
async def test_an_event_that_the_database_refuses_is_a_dead_letter(
    shop: Shop, fault: dict[str, Any]
) -> None:
    event = msgspec.structs.replace(posted(1), transaction_id=f"txn_{uuid7()}")
    event = msgspec.structs.replace(event, **fault)
    place = await shop.publish(msgspec.json.encode(event), topic="points.redeemed", key=b"k")
    letter = await shop.dead_letter(place, service="catalog")
    assert letter.headers["dlq-code"] == b"invalid"
