"""What is due is posted on accounts on which nobody posts, once."""

import asyncio
from datetime import timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.lifecycle import Expiry, Pending
from services.earning.domain.order_records import Order
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.handlers.sweeping import post_due
from tests.integration.lifecycle_ledger import LedgerAccount, TestClock
from tests.integration.test_lifecycle import clock, engine, faults, open_account

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
    assert await post_due(engine, until=clock.now, limit=10) == ACCOUNTS
    assert await post_due(engine, until=clock.now) == 0
    assert await count(account, "earn") == await count(account, "expire") == 3 * ACCOUNTS
    assert await faults(account) == []
