"""The previous version on the schema of this one: what runs during an upgrade."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from libs.testing.eventually import eventually
from tests.chaos.alone import new_store
from tests.chaos.busy_store import BusyStore, Databases
from tests.chaos.fleet import earned_with_keys, give_reward, running, total
from tests.chaos.previous import check_out, find_previous_version
from tests.chaos.test_killed_redemption import ledger_is_exact
from tests.support import ROOT, Stack
from tools.stack.config import WITH_DATABASE


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
    """Under load: first the previous version alone, then while its services are replaced one by one."""
    store_id = await new_store(bare_stack)
    store = BusyStore(bare_stack, store_id, await bare_stack.key(store_id))
    databases = Databases(bare_stack, store_id)
    async with (
        running(bare_stack, root=previous_version) as fleet,
        aiohttp.ClientSession() as session,
    ):
        await give_reward(fleet.gateways[0], session, store.key)
        async with store.load(fleet, session):
            await eventually(databases.have_resolutions, every=0.5)
        await eventually(databases.are_settled, every=0.5)
        await databases.agree()
        for name in WITH_DATABASE:
            await fleet.stop(name)
            await fleet.launch(name, root=ROOT)
            async with store.load(fleet, session):
                await asyncio.sleep(1)
        await eventually(databases.are_settled, every=0.5)
    await databases.agree()
    print("in all:", dict(total(store.callers)), store.orders, "orders")
    assert await databases.order_states() == {"counted": store.orders}
    assert await earned_with_keys(bare_stack, store_id) == {
        caller.customer: caller.earned for caller in store.callers if caller.earned
    }
    await ledger_is_exact(bare_stack)
