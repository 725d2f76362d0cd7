"""Catalog's parts on a database of the test's own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.rewards import RewardCreate, RewardPatch
from libs.kernel.caller import Caller
from libs.persistence.engine import create_engine
from libs.persistence.idempotency import Claim, StoredResponse
from libs.persistence.pages import Page
from libs.persistence.writes import Write
from services.catalog import store as rewards_db
from services.catalog.api import responses
from services.catalog.api.responses import encode_page
from services.catalog.clients import Tiers
from services.catalog.handlers import reward_changes
from services.catalog.handlers.resources import Resources
from services.catalog.handlers.reward_changes import Change, Render
from services.catalog.handlers.reward_pages import PageRequest, RewardPages
from tests.integration.conftest import Database, empty_database
from tests.support import Stack

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
