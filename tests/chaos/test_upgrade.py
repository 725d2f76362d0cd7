"""The previous version on the schema of this one: what runs during an upgrade."""

import asyncio
import secrets
from pathlib import Path

import aiohttp
import pytest

from tests.chaos.alone import new_store
from tests.chaos.earning_backlog import assert_consumed_exactly, publish_orders
from tests.chaos.fleet import Caller, earned_with_keys, give_reward, running, total
from tests.chaos.previous import check_out, find_previous_version
from tests.chaos.test_killed_redemption import ledger_is_exact
from tests.redeeming import books_are_exact
from tests.support import ROOT, Stack
from tools.stack.config import SERVICES

WORKERS = 4
ORDERS = 500


@pytest.fixture
def previous_version(tmp_path: Path) -> Path:
    """The code of the previous version."""
    revision = find_previous_version()
    if revision is None:
        pytest.skip("the previous version is not in this clone: fetch the whole history and tags")
    print("the previous version:", revision)
    return check_out(revision, tmp_path)


@pytest.mark.timeout(600)
async def test_the_previous_version_runs_on_this_schema_until_it_is_replaced(
    bare_stack: Stack, previous_version: Path
) -> None:
    """Awards, redemptions and orders, first with the previous version alone under load, then while
    its services are replaced one by one."""
    store_id, orders_id = await new_store(bare_stack), await new_store(bare_stack)
    key = await bare_stack.key(store_id)
    async with (
        running(bare_stack, root=previous_version) as fleet,
        aiohttp.ClientSession() as session,
    ):
        await give_reward(fleet, session, key)
        callers = [Caller(fleet, session, key, secrets.token_hex(4)) for _ in range(WORKERS)]
        done = asyncio.Event()
        async with asyncio.TaskGroup() as load:
            for one in callers:
                load.create_task(one.work(done))
            await publish_orders(bare_stack, orders_id, ORDERS, customers=20)
            await assert_consumed_exactly(bare_stack, orders_id, ORDERS)
            done.set()
        for name in SERVICES:
            await fleet.stop(name)
            await fleet.launch(name, root=ROOT)
            await asyncio.gather(*(one.use_every_service() for one in callers))
        print("in all:", dict(total(callers)))
        assert await earned_with_keys(bare_stack, store_id) == {
            one.customer: one.earned for one in callers
        }
        await books_are_exact(bare_stack, store_id)
        await ledger_is_exact(bare_stack)
