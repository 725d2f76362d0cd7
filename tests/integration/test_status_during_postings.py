"""A customer's status needs no snapshot: whatever commits between its statements is not in it."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.lifecycle import Expiry
from libs.persistence.engine import transaction
from services.earning.handlers import customers
from services.earning.store import customers as rows
from services.earning.store import programs, timelines
from tests.integration.ledger_clocks import TestClock
from tests.integration.lifecycle_ledger import CUSTOMER, LedgerAccount, clock, engine, open_account

__all__ = ["clock", "engine"]

TEN_DAYS = Expiry(kind="after", days=10)
TWENTY_DAYS = Expiry(kind="after", days=20)


@pytest.fixture
async def account(engine: AsyncEngine, clock: TestClock) -> LedgerAccount:
    return await open_account(engine, clock, expiry=TEN_DAYS)


async def test_a_posting_after_the_account_was_read_is_not_among_its_transactions(
    account: LedgerAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account.earn("A", 100)
    find_status = rows.find_status

    async def find_and_post(*arguments: Any) -> Any:
        account_row = await find_status(*arguments)
        await account.earn("B", 50)
        return account_row

    monkeypatch.setattr(rows, "find_status", find_and_post)
    status = await customers.get_status(account.engine, account.store, CUSTOMER)
    assert status.view.balance == 100
    assert status.recent_entries is not None
    assert [entry.points for entry in status.recent_entries] == [100]


async def test_a_version_after_the_programs_were_read_is_not_in_their_timeline(
    account: LedgerAccount,
) -> None:
    await account.set_expiry(None)
    async with transaction(account.engine) as connection:
        before = await programs.read(connection, [account.store])
    await account.set_expiry(TWENTY_DAYS)
    async with transaction(account.engine) as connection:
        after = await programs.read(connection, [account.store])
        seen = {
            name: (await timelines.read(connection, [account.store], in_force))[account.store]
            for name, in_force in [("before", before), ("after", after)]
        }
    assert seen["before"].epochs[-1].expiry is None
    assert seen["after"].epochs[-1].expiry == TWENTY_DAYS
