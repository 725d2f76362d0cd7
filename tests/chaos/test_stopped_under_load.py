"""Processes of every service stopped under load, two of each running: callers lose nothing."""

import asyncio
import secrets
import signal
from collections import Counter

import aiohttp
import pytest

from tests.chaos.alone import new_store
from tests.chaos.fleet import Caller, earned_with_keys, give_reward, running, total
from tests.chaos.test_killed_redemption import ledger_is_exact
from tests.redeeming import books_are_exact
from tests.support import Stack
from tools.stack.config import WITH_DATABASE

WORKERS = 8
# A process that takes longer than its own limit exits with 1.
ENDED_IN_TIME = -signal.SIGTERM


@pytest.mark.timeout(600)
async def test_a_rolling_restart_of_everything_costs_no_caller_more_than_one_retry(
    bare_stack: Stack,
) -> None:
    store_id = await new_store(bare_stack)
    key = await bare_stack.key(store_id)
    async with running(bare_stack, both=WITH_DATABASE) as fleet, aiohttp.ClientSession() as session:
        await give_reward(fleet.gateways[0], session, key)
        callers = [
            Caller(fleet.gateways, session, key, secrets.token_hex(4)) for _ in range(WORKERS)
        ]
        done = asyncio.Event()
        async with asyncio.TaskGroup() as load:
            for one in callers:
                load.create_task(one.work(done))
            await asyncio.sleep(1)
            for name, number in fleet.ports:
                before = total(callers)
                took = await fleet.stop(name, number)
                assert fleet.processes[name, number].returncode == ENDED_IN_TIME
                await fleet.launch(name, number)
                print(f"{name} {number} stopped in {took:.1f} s:", dict(total(callers) - before))
            done.set()
        print("in all:", dict(total(callers)))
        print(f"the longest request took {max(one.longest_seconds for one in callers):.2f} s")
        assert await earned_with_keys(bare_stack, store_id) == {
            one.customer: one.earned for one in callers
        }
        await books_are_exact(bare_stack, store_id)
        await ledger_is_exact(bare_stack)


@pytest.mark.timeout(600)
async def test_a_gateway_that_stops_cuts_no_response_off(bare_stack: Stack) -> None:
    """From the signal on it takes no connections; the next response on an open connection says
    that it is the last. Until it has started again, no process accepts connections."""
    store_id = await new_store(bare_stack)
    key = await bare_stack.key(store_id)
    async with running(bare_stack, both=()) as fleet, aiohttp.ClientSession() as session:
        seen: Counter[str] = Counter()
        stopping = asyncio.Event()

        async def work(number: int) -> None:
            caller = Caller(fleet.gateways, session, key, f"{number}")
            while True:
                try:
                    await caller.earn()
                except aiohttp.ClientConnectorError:
                    assert stopping.is_set()
                    return
                seen["earned"] += 1
                seen["earned while stopping"] += stopping.is_set()

        async with asyncio.TaskGroup() as load:
            for number in range(WORKERS):
                load.create_task(work(number))
            await asyncio.sleep(1)
            stopping.set()
            took = await fleet.stop("gateway")
            assert fleet.processes["gateway", 0].returncode == ENDED_IN_TIME
        print(f"the gateway stopped in {took:.1f} s:", dict(seen))
        assert sum((await earned_with_keys(bare_stack, store_id)).values()) == 10 * seen["earned"]
        print(f"it refused connections for {await fleet.launch('gateway'):.1f} s after its restart")
