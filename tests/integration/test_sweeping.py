"""What is due is posted on accounts on which nobody posts, once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.lifecycle import Expiry, Pending
from libs.kernel.clock import utc_now
from libs.persistence.batch import RequestOutcome
from libs.persistence.engine import transaction
from libs.testing.eventually import eventually
from services.earning.domain.order_records import Order
from services.earning.handlers import sweeping
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.handlers.sweeping import post_due, sweeper
from services.earning.store import due_accounts
from services.earning.store.due_accounts import READ
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import LedgerAccount, clock, engine, open_account
from tests.integration.stored_account import faults

__all__ = ["clock", "engine"]

ACCOUNTS = 25


async def fill(account: LedgerAccount) -> None:
    """Orders of many customers, on three days."""
    for day in range(3):
        orders = [
            Order(
                account.store,
                f"cust_{number}",
                f"o{day}-{number}",
                Decimal(10),
                "USD",
                None,
                "Order",
                account.clock.now,
            )
            for number in range(ACCOUNTS)
        ]
        await post_batch(account.engine, [PostingRequest(orders)], optimistic=True)
        await account.next_day()


async def count(account: LedgerAccount, type_: str) -> int:
    query = "SELECT count(*) FROM entries WHERE store_id = $1 AND type = $2"
    ((number,),) = await account.fetch(query, account.store, type_)
    return int(number)


async def test_concurrent_sweepers_post_what_is_due_once(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(
        engine, clock, pending=Pending(days=4), expiry=Expiry(kind="after", days=6)
    )
    await fill(account)
    assert await post_due(engine, until=clock.now) == 0
    for _ in range(14):
        await account.next_day()
        await asyncio.gather(*(post_due(engine, until=clock.now, limit=10) for _ in range(3)))
    assert await count(account, "earn") == await count(account, "expire") == 3 * ACCOUNTS
    due = "SELECT count(*) FROM accounts WHERE due_at IS NOT NULL OR balance <> 0"
    assert await account.fetch(due) == [(0,)]
    assert await faults(account) == []


async def test_one_late_sweep_posts_the_same(engine: AsyncEngine, clock: TestClock) -> None:
    account = await open_account(
        engine, clock, pending=Pending(days=4), expiry=Expiry(kind="after", days=6)
    )
    await fill(account)
    account.go_to(clock.now + timedelta(days=30))
    await post_due(engine, until=clock.now, limit=10)
    assert await post_due(engine, until=clock.now) == 0
    assert await count(account, "earn") == await count(account, "expire") == 3 * ACCOUNTS
    assert await faults(account) == []


async def test_accounts_without_a_posting_since_a_change_are_visited_in_time(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_account(engine, clock)
    await fill(account)
    await post_due(engine, until=clock.now, limit=10)
    await account.change(expiry=Expiry(kind="after", days=6))
    await post_due(engine, until=clock.now, limit=10)
    assert await account.fetch("SELECT DISTINCT cycle, due_at FROM accounts") == [(None, None)]
    account.go_to(clock.now + timedelta(days=6))
    await post_due(engine, until=clock.now, limit=10)
    assert await count(account, "expire") == 0
    await account.next_day()
    await post_due(engine, until=clock.now, limit=10)
    assert await count(account, "expire") == ACCOUNTS
    assert await account.fetch("SELECT FROM store_visits") == []


@pytest.mark.parametrize(
    "hours",
    [pytest.param(5, id="on the same day"), pytest.param(20, id="on the next day")],
)
async def test_points_that_wait_for_a_fulfillment_ahead_of_now_are_visited_once(
    engine: AsyncEngine, clock: TestClock, hours: int
) -> None:
    waits = Pending(days=0, from_="fulfilled")
    account = await open_account(engine, clock, pending=waits)
    await account.order("o1", Decimal(100))
    fulfilled_at = clock.now + timedelta(hours=hours)
    await account.fulfill("o1", fulfilled_at)
    visits = []
    for _ in range(hours + 2):
        visits.append(await post_due(engine, until=clock.now))
        account.go_to(clock.now + timedelta(hours=1))
    assert visits == [*[0] * hours, 1, 0]
    _, earn = await account.entries()
    assert (earn["points"], earn["available_at"]) == (100, fulfilled_at)
    assert await faults(account) == []


async def open_due_accounts(engine: AsyncEngine, clock: TestClock) -> LedgerAccount:
    """Accounts whose points have expired by the real time, and are not posted yet."""
    clock.now = utc_now() - timedelta(days=30)
    account = await open_account(engine, clock, expiry=Expiry(kind="after", days=6))
    await fill(account)
    account.go_to(utc_now())
    return account


@asynccontextmanager
async def sweeping_all_the_time(engine: AsyncEngine) -> AsyncIterator[None]:
    task = sweeper(engine, engine, lambda: None, every_seconds=0.01)
    await task.start()
    try:
        yield
    finally:
        await task.stop()


async def test_one_process_sweeps_at_a_time_and_a_standby_takes_its_place(
    engine: AsyncEngine, clock: TestClock
) -> None:
    account = await open_due_accounts(engine, clock)
    started = utc_now()

    async def is_swept() -> bool:
        swept = REGISTRY.get_sample_value("whale_swept_timestamp_seconds")
        return swept is not None and swept > started.timestamp()

    async with AsyncExitStack() as standby:
        async with transaction(engine) as other_process:
            assert await due_accounts.try_lock(other_process) is not None
            await standby.enter_async_context(sweeping_all_the_time(engine))
            await asyncio.sleep(0.2)
            assert await count(account, "expire") == 0
        await eventually(is_swept)
    assert await count(account, "expire") == 3 * ACCOUNTS


async def test_due_accounts_can_be_read_in_the_order_of_an_index(engine: AsyncEngine) -> None:
    """At a midnight all of them are due at one instant: a sort would read them all for each batch."""
    now = utc_now()
    async with transaction(engine) as connection:
        # Otherwise a few accounts are sorted.
        for method in ("sort", "incremental_sort", "bitmapscan"):
            await connection.execute(f"SET LOCAL enable_{method} = off")
        rows = await connection.fetch(f"EXPLAIN {READ}", now, now, 0, None, 10)
    plan = "\n".join(row[0] for row in rows)
    assert "accounts_due_place" in plan
    assert "Sort" not in plan


async def test_an_account_that_cannot_be_posted_does_not_hold_up_the_others(
    engine: AsyncEngine, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await open_due_accounts(engine, clock)

    async def fail_for_one(
        engine: AsyncEngine, requests: Sequence[PostingRequest], **options: Any
    ) -> Sequence[RequestOutcome]:
        assert all(visit.customer_id != "cust_7" for visit in requests[0].commands)
        return await post_batch(engine, requests, **options)

    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "post_batch", fail_for_one)
        await post_due(engine, until=clock.now)
    assert await count(account, "expire") == 3 * (ACCOUNTS - 1)
    assert await post_due(engine, until=clock.now) == 1
    assert await count(account, "expire") == 3 * ACCOUNTS
