"""Catalog on real PostgreSQL and Kafka: versions and their order, idempotency keys, stock in use."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import PointsPosted, RewardChanged, RewardRef, TransactionType
from libs.contracts.rewards import RewardCreate, RewardPatch
from libs.kernel.caller import Caller
from libs.kernel.errors import Conflict, NotFound
from libs.kernel.ids import uuid7
from libs.messaging.outbox import unpack
from libs.persistence.engine import create_engine
from libs.persistence.idempotency import Claim, StoredResponse
from libs.persistence.pages import Page
from libs.persistence.writes import Write
from libs.testing.eventually import eventually
from services.catalog import store as rewards_db
from services.catalog.api import responses
from services.catalog.api.responses import encode_page
from services.catalog.clients import Tiers
from services.catalog.handlers import reward_changes, usage
from services.catalog.handlers.resources import Resources
from services.catalog.handlers.reward_changes import Change, Render
from services.catalog.handlers.reward_pages import (
    PageCache,
    PageRequest,
    RenderedPage,
    RewardPages,
)
from tests.integration.conftest import Database, empty_database
from tests.support import Shop, Stack

T = TypeVar("T")

STORE = "store_1"
FREE_SHIPPING = RewardCreate(name="Free Shipping", points_cost=500, type="shipping")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
async def database(stack: Stack, unique: str) -> Database:
    return await empty_database(stack, "catalog", unique)


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database.url, name="test", connections=12)
    yield engine
    await engine.dispose()


@pytest.fixture
def resources(engine: AsyncEngine) -> Resources:
    return Resources(
        engine,
        engine,
        RewardPages(engine, encode_page=encode_page),
        wake_relay=lambda: None,
        tiers=Tiers(None),
    )


def write(body: T, claim: Claim | None = None) -> Write[T]:
    return Write(STORE, body, claim, Caller(key_id="key", key_name="test", request_id="req_1"))


def new(reward_id: str, claim: Claim | None = None, **fields: Any) -> Change:
    body = msgspec.structs.replace(FREE_SHIPPING, id=reward_id, **fields)
    return reward_changes.creation(write(body, claim))


def renamed(reward_id: str, name: str, claim: Claim | None = None) -> Change:
    return reward_changes.update(write(RewardPatch(name=name), claim), reward_id)


async def carry_out(
    resources: Resources, change: Change, render: Render = responses.updated
) -> StoredResponse:
    return await reward_changes.carry_out(resources, change, render)


async def published(database: Database) -> list[RewardChanged]:
    """The events in the order the relay takes them."""
    connection = await asyncpg.connect(database.url)
    rows = await connection.fetch("SELECT payload FROM outbox ORDER BY id")
    await connection.close()
    return [
        msgspec.json.decode(event.value, type=RewardChanged)
        for row in rows
        for event in unpack(row["payload"])
    ]


async def patch_three_rewards_concurrently(resources: Resources) -> None:
    rewards = [f"rwd_{number}" for number in range(3)]
    for reward_id in rewards:
        await carry_out(resources, new(reward_id))
    names = [(reward_id, f"{reward_id} {n}") for n in range(32) for reward_id in rewards]
    await asyncio.gather(
        *(carry_out(resources, renamed(reward_id, name)) for reward_id, name in names)
    )


def versions_by_reward(events: list[RewardChanged]) -> dict[str, list[int]]:
    versions: dict[str, list[int]] = defaultdict(list)
    for event in events:
        versions[event.id].append(event.version)
    return versions


async def test_32_concurrent_patches_make_32_versions_published_in_order(
    resources: Resources, database: Database, engine: AsyncEngine
) -> None:
    await patch_three_rewards_concurrently(resources)
    events = await published(database)
    assert list(versions_by_reward(events).values()) == [list(range(1, 34))] * 3
    last = {event.id: event.name for event in events}
    listed = await listing_of(engine)
    assert {one["id"]: one["name"] for one in listed} == last


async def test_without_the_stores_lock_versions_are_lost(
    resources: Resources, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race that the lock is there for: two have read before either writes."""
    await carry_out(resources, new("rwd_1"))
    both_have_read = asyncio.Barrier(2)
    find = rewards_db.find

    async def no_lock(_connection: object, _store_id: str) -> None:
        await asyncio.sleep(0)

    async def find_together(*arguments: Any) -> Any:
        reward = await find(*arguments)
        await both_have_read.wait()
        return reward

    monkeypatch.setattr(rewards_db, "lock", no_lock)
    monkeypatch.setattr(rewards_db, "find", find_together)
    await asyncio.gather(*(carry_out(resources, renamed("rwd_1", name)) for name in ("A", "B")))
    assert [event.version for event in await published(database)] == [1, 2, 2]


async def test_concurrent_requests_with_one_key_act_once(
    resources: Resources, database: Database
) -> None:
    claim = Claim(STORE, "k", b"same request")
    outcomes = await asyncio.gather(
        *(
            carry_out(resources, reward_changes.creation(write(FREE_SHIPPING, claim)))
            for _ in range(16)
        )
    )
    assert len({response.body for response in outcomes}) == 1
    assert sum(not response.replayed for response in outcomes) == 1
    assert len(await published(database)) == 1


async def test_a_duplicate_refused_for_what_the_first_did_gets_its_response(
    resources: Resources, database: Database
) -> None:
    create, delete = Claim(STORE, "c", b"create"), Claim(STORE, "d", b"delete")
    created = await asyncio.gather(
        *(carry_out(resources, new("rwd_1", create), responses.created) for _ in range(16))
    )
    deleted = await asyncio.gather(
        *(
            carry_out(
                resources,
                reward_changes.deletion(write(b"", delete), "rwd_1"),
                responses.deleted,
            )
            for _ in range(16)
        )
    )
    for outcomes, status in ((created, 201), (deleted, 204)):
        assert {response.status for response in outcomes} == {status}
        assert sum(not response.replayed for response in outcomes) == 1
    assert [event.version for event in await published(database)] == [1, 2]


async def test_a_refusal_writes_nothing(
    resources: Resources, engine: AsyncEngine, database: Database
) -> None:
    await carry_out(resources, new("rwd_1"))
    before = await revision(engine)
    with pytest.raises(Conflict):
        await carry_out(resources, new("rwd_1"))
    with pytest.raises(NotFound):
        await carry_out(resources, renamed("rwd_2", "y"))
    assert await revision(engine) == before
    assert len(await published(database)) == 1


# -- lists


async def listing_of(engine: AsyncEngine) -> Any:
    return data_of(await RewardPages(engine, encode_page=encode_page).get(FIRST_PAGE))


def data_of(body: bytes) -> Any:
    return msgspec.json.decode(body)["data"]


async def revision(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        return (await rewards_db.read_revisions(raw, [STORE])).get(STORE, 0)


FIRST_PAGE = PageRequest(STORE, include_all=False, page=Page(limit=100, starting_after=None))


async def test_a_page_is_rendered_once_until_something_changes(
    resources: Resources, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = itertools.count()
    page = rewards_db.read_page

    async def counting(*words: Any, **named: Any) -> Any:
        next(rendered)
        return await page(*words, **named)

    monkeypatch.setattr(rewards_db, "read_page", counting)
    await carry_out(resources, new("rwd_1"))
    pages = RewardPages(engine, encode_page=encode_page)
    for _ in range(5):
        assert len(data_of(await pages.get(FIRST_PAGE))) == 1
    await carry_out(resources, new("rwd_2"))
    for _ in range(5):
        assert len(data_of(await pages.get(FIRST_PAGE))) == 2
    assert next(rendered) == 2


async def test_a_process_reads_what_another_wrote(resources: Resources, database: Database) -> None:
    other = create_engine(database.url, name="another process")
    pages = RewardPages(other, encode_page=encode_page)
    for number in range(1, 20):
        await carry_out(resources, new(f"rwd_{number}"))
        assert len(data_of(await pages.get(FIRST_PAGE))) == number
    await other.dispose()


async def test_time_alone_makes_a_cached_page_wrong(
    resources: Resources, engine: AsyncEngine
) -> None:
    """A reward is there from its start on, and at its end it is not."""
    moments = iter(
        [
            NOON,
            NOON + timedelta(hours=1, milliseconds=-1),
            NOON + timedelta(hours=1),
            NOON + timedelta(hours=2, milliseconds=-1),
            NOON + timedelta(hours=2),
        ]
    )
    pages = RewardPages(engine, encode_page=encode_page, clock=lambda: next(moments))
    await carry_out(
        resources,
        new("rwd_1", starts_at="2026-03-10T13:00:00Z", ends_at="2026-03-10T14:00:00Z"),
    )
    lengths = [len(data_of(await pages.get(FIRST_PAGE))) for _ in range(5)]
    assert lengths == [0, 0, 1, 1, 0]


def test_the_cache_is_bounded_and_drops_the_least_recently_used_page() -> None:
    cache = PageCache(max_bytes=4 * 3_000)
    requests = [
        PageRequest(f"store_{number}", include_all=False, page=FIRST_PAGE.page)
        for number in range(4)
    ]
    page = RenderedPage(1, None, b"x" * 1_976)
    for request in requests * 2:
        cache.put(request, page)
    assert all(cache.find(request, revision=1, now=NOON) for request in requests)
    cache.find(requests[0], revision=1, now=NOON)
    cache.put(PageRequest("store_4", include_all=False, page=FIRST_PAGE.page), page)
    assert [cache.find(request, revision=1, now=NOON) is None for request in requests] == [
        *(False, True, False, False)
    ]


# -- stock in use


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
