"""The locks of a batch of redemptions: each race is first shown to happen without its lock."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import RewardChanged
from libs.kernel.clock import utc_now
from libs.kernel.ids import uuid7
from libs.persistence.engine import create_batch_engine, transaction
from libs.testing.eventually import PATIENCE_SECONDS
from services.redemption.domain import codes
from services.redemption.domain.redemptions import (
    Action,
    BeginCancel,
    Confirm,
    Debit,
    FinishCancel,
    Redemption,
    Release,
    Reserve,
    Use,
)
from services.redemption.handlers.desk import ActionRequest, ActionResult, apply
from services.redemption.store import desk as redemptions_db
from services.redemption.store import rewards
from tests.integration.conftest import empty_database
from tests.support import Stack

STORE = "store_1"
STOCK = 3
CONCURRENT = 8


@pytest.fixture
async def engine(stack: Stack, unique: str) -> AsyncIterator[AsyncEngine]:
    """A database of redemption with one reward and a stock of STOCK. The usage of the reward has a row:
    concurrent first uses of a reward would wait for its insertion."""
    database = await empty_database(stack, "redemption", unique)
    engine = create_batch_engine(database.url, name="test", connections=CONCURRENT)
    await offer(engine, stock=STOCK)
    (done,) = await apply(engine, [ActionRequest(reserve())])
    name: dict[str, Any] = {"id": redemption_in(done).id, "store_id": STORE, "reward_id": "rwd_1"}
    await apply(engine, [ActionRequest(Release(**name))])
    yield engine
    await engine.dispose()


def reward_changed(**changes: Any) -> RewardChanged:
    """The reward rwd_1 as the catalog publishes it."""
    return RewardChanged(
        store_id=STORE,
        id="rwd_1",
        name="Free Shipping",
        points_cost=500,
        type="shipping",
        is_active=True,
        created_at="2026-03-10T12:00:00.000Z",
        **({"version": 1} | changes),
    )


async def offer(engine: AsyncEngine, **changes: Any) -> None:
    async with transaction(engine) as connection:
        await rewards.write(connection, [reward_changed(**changes)])


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch waits between reading and writing, so that concurrent batches read in the meantime."""
    write = redemptions_db.write

    async def later(*args: Any) -> None:
        await asyncio.sleep(0.2)
        await write(*args)

    monkeypatch.setattr(redemptions_db, "write", later)


def read_before_writing(monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    """So many batches have all read before one of them writes."""
    write = redemptions_db.write
    have_read = asyncio.Barrier(batches)

    async def later(*args: Any) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await have_read.wait()
        await write(*args)

    monkeypatch.setattr(redemptions_db, "write", later)


def without_lock(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    text = getattr(redemptions_db, statement)
    assert "FOR NO KEY UPDATE" in text
    monkeypatch.setattr(redemptions_db, statement, text.partition("FOR NO KEY UPDATE")[0])


def reserve(customer: str = "cust_1") -> Reserve:
    return Reserve(
        id=uuid7(),
        store_id=STORE,
        customer_id=customer,
        reward_id="rwd_1",
        points_cost=None,
        code=codes.make_code(secrets.randbits(codes.RANDOM_BITS)),
        claim_key=None,
        now=utc_now(),
    )


async def concurrently(engine: AsyncEngine, actions: Sequence[Action]) -> Counter[str]:
    """Each action in a transaction of its own, all concurrently; returns how often each result came."""
    outcomes = await asyncio.gather(*(apply(engine, [ActionRequest(action)]) for action in actions))
    return Counter(
        type(done).__name__ if isinstance(done, Exception) else redemption_in(done).status
        for (done,) in outcomes
    )


def redemption_in(done: ActionResult | Exception) -> Redemption:
    assert isinstance(done, ActionResult), done
    assert done.redemption is not None
    return done.redemption


async def confirmed(engine: AsyncEngine) -> dict[str, Any]:
    """The fields that name a confirmed redemption."""
    (done,) = await apply(engine, [ActionRequest(reserve())])
    name: dict[str, Any] = {"id": redemption_in(done).id, "store_id": STORE, "reward_id": "rwd_1"}
    debit = Debit("txn_1", 0, "2026-03-10T12:00:00.000Z")
    await apply(engine, [ActionRequest(Confirm(**name, debit=debit))])
    return name


async def count_in_use(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        count: int = await connection.fetchval("SELECT taken FROM usage WHERE reward_id = 'rwd_1'")
        return count


async def test_more_than_the_stock_is_redeemed_without_the_lock(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_lock(monkeypatch, "_LOCK_USAGE")
    read_before_writing(monkeypatch, CONCURRENT)
    assert (await concurrently(engine, [reserve() for _ in range(CONCURRENT)]))["reserved"] > STOCK


async def test_no_more_than_the_stock_is_redeemed(engine: AsyncEngine, slow: None) -> None:
    outcome = await concurrently(engine, [reserve() for _ in range(CONCURRENT)])
    assert outcome == {"reserved": STOCK, "RewardUnavailable": CONCURRENT - STOCK}
    assert await count_in_use(engine) == STOCK


async def test_no_more_than_the_stock_is_redeemed_by_the_first_redemptions_of_a_reward(
    engine: AsyncEngine, slow: None
) -> None:
    async with transaction(engine) as connection:
        await connection.execute("UPDATE usage SET reward_id = 'rwd_2'")
    outcome = await concurrently(engine, [reserve() for _ in range(CONCURRENT)])
    assert outcome == {"reserved": STOCK, "RewardUnavailable": CONCURRENT - STOCK}
    assert await count_in_use(engine) == STOCK


async def test_a_customers_limit_is_exceeded_without_the_lock(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await offer(engine, version=2, per_customer_limit=1)
    without_lock(monkeypatch, "_LOCK_USAGE")
    read_before_writing(monkeypatch, CONCURRENT)
    assert (await concurrently(engine, [reserve() for _ in range(CONCURRENT)]))["reserved"] > 1


async def test_a_customers_limit_holds(engine: AsyncEngine, slow: None) -> None:
    await offer(engine, version=2, per_customer_limit=1)
    outcome = await concurrently(engine, [reserve() for _ in range(CONCURRENT)])
    assert outcome == {"reserved": 1, "RewardUnavailable": CONCURRENT - 1}


async def test_a_redemption_is_used_and_cancelled_without_the_lock(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await confirmed(engine)
    without_lock(monkeypatch, "_LOCK_REDEMPTIONS")
    read_before_writing(monkeypatch, 2)
    outcome = await concurrently(engine, [Use(**name), BeginCancel(**name)])
    assert outcome == {"used": 1, "cancelling": 1}


async def test_of_using_and_cancelling_one_wins(engine: AsyncEngine, slow: None) -> None:
    name = await confirmed(engine)
    outcome = await concurrently(engine, [Use(**name), BeginCancel(**name)])
    assert outcome in ({"used": 1, "Conflict": 1}, {"cancelling": 1, "Conflict": 1})


async def test_many_returns_of_a_redemption_count_once(engine: AsyncEngine, slow: None) -> None:
    name = await confirmed(engine)
    await apply(engine, [ActionRequest(BeginCancel(**name))])
    await apply(engine, [ActionRequest(reserve("cust_2"))])
    assert await concurrently(engine, [FinishCancel(**name)] * CONCURRENT) == {
        "cancelled": CONCURRENT
    }
    assert await count_in_use(engine) == 1


async def test_a_late_confirmation_and_a_release_agree(engine: AsyncEngine, slow: None) -> None:
    (done,) = await apply(engine, [ActionRequest(reserve())])
    name: dict[str, Any] = {"id": redemption_in(done).id, "store_id": STORE, "reward_id": "rwd_1"}
    debit = Debit("txn_1", 0, "2026-03-10T12:00:00.000Z")
    outcome = await concurrently(engine, [Confirm(**name, debit=debit), Release(**name)])
    assert outcome in ({"confirmed": 2}, {"released": 2})
    assert await count_in_use(engine) == outcome["confirmed"] // 2


async def test_an_older_version_of_a_reward_replaces_nothing(engine: AsyncEngine) -> None:
    await offer(engine, version=3, stock=0)
    await offer(engine, version=2, stock=100)
    assert await concurrently(engine, [reserve()]) == {"RewardUnavailable": 1}
