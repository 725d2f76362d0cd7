"""Members of earning's consumer group are killed, frozen, added and removed under a backlog: the books
are exact afterwards."""

import asyncio
import os
import random
import signal

from tests.chaos.alone import healthy, start
from tests.chaos.earning_backlog import assert_consumed_exactly, publish_orders
from tests.support import Stack

# Longer than a member's session: the other members take over its partitions.
_FROZEN_SECONDS = 12


async def test_members_are_killed_at_random_times_during_100_000_orders(
    bare_stack: Stack, bare_store: str
) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    choose = random.Random(seed)
    await publish_orders(bare_stack, bare_store, 100_000, customers=2_000)
    for _ in range(4):
        process = await start(bare_stack)
        await asyncio.sleep(choose.uniform(1.5, 4.0))
        process.kill()
        await process.wait()
    async with healthy(bare_stack):
        await assert_consumed_exactly(bare_stack, bare_store, 100_000)


async def test_members_join_and_leave_and_one_resumes_after_its_session_expired(
    bare_stack: Stack, bare_store: str
) -> None:
    await publish_orders(bare_stack, bare_store, 60_000, customers=500)
    async with healthy(bare_stack) as frozen:
        await asyncio.sleep(2.5)
        os.kill(frozen.pid, signal.SIGSTOP)
        async with healthy(bare_stack):
            await asyncio.sleep(_FROZEN_SECONDS)
            async with healthy(bare_stack):
                os.kill(frozen.pid, signal.SIGCONT)
                await asyncio.sleep(3)
            await assert_consumed_exactly(bare_stack, bare_store, 60_000)
