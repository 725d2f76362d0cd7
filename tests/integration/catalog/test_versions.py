"""Changes of rewards on real PostgreSQL: versions and their order, idempotency keys."""

import asyncio
from collections import defaultdict
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import RewardChanged
from libs.kernel.errors import Conflict, NotFound
from libs.messaging.outbox import unpack
from libs.persistence.idempotency import Claim
from services.catalog import store as rewards_db
from services.catalog.api import responses
from services.catalog.handlers import reward_changes
from services.catalog.handlers.resources import Resources
from tests.integration.catalog.conftest import (
    FREE_SHIPPING,
    STORE,
    carry_out,
    listing_of,
    new,
    renamed,
    revision,
    write,
)
from tests.integration.conftest import Database


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
