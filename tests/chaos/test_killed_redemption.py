"""Redemption and earning killed at each step of a redemption: settled soon, the books exact."""

import asyncio
import itertools
import time
from collections import Counter
from typing import Any

import aiohttp
import asyncpg
import pytest

from libs.testing.eventually import eventually
from tests.bench.servers import responds
from tests.chaos.alone import dies, end, healthy, start
from tests.chaos.killable import POINTS
from tests.chaos.redemption_caller import Caller, store_with_reward
from tests.redeeming import books_are_exact
from tests.support import Stack, ledger_faults
from tools.stack.config import free_port

CUSTOMERS = 8
STOCK = 200


@pytest.fixture
async def store(bare_stack: Stack) -> str:
    """A store with a program and a reward."""
    return await store_with_reward(bare_stack, stock=STOCK)


async def redeem_and_cancel(caller: Caller, port: int, customer: str, rounds: int) -> Counter[str]:
    """What a customer does: redeem again and again, cancelling every other one."""
    seen: Counter[str] = Counter()
    for number in range(rounds):
        body = {"customer_id": customer, "reward_id": "rwd_1"}
        status, response = await caller.until_outcome(port, "loyalty/redeem", body)
        assert status == 201, response
        assert isinstance(response, dict)
        seen["redeemed"] += 1
        if number % 2:
            path = f"loyalty/redemptions/{response['redemption_id']}/cancel"
            status, response = await caller.until_outcome(port, path, {})
            assert status == 200, response
            seen["cancelled"] += 1
    return seen


KILLS = [
    pytest.param(
        group, point, nth, id=f"{group}: {point}, {nth}", marks=[pytest.mark.long] * (nth != first)
    )
    # Eight awards come before what the ledger does for redemptions.
    for group, first, later in (
        ("redemption", 1, 9),
        ("redemption after its response", 1, 3),
        ("earning for redemption", 9, 11),
    )
    for point, nth in itertools.product(POINTS[group], (first, later))
]


@pytest.mark.parametrize(("group", "point", "nth"), KILLS)
async def test_killed_at_a_named_point(
    bare_stack: Stack, store: str, group: str, point: str, nth: int
) -> None:
    service = group.partition(" ")[0]
    ports = {"earning": free_port(), "redemption": free_port()}
    settings: dict[str, Any] = {
        "WHALE_EARNING_URL": f"http://127.0.0.1:{ports['earning']}",
    }
    other = "earning" if service == "redemption" else "redemption"
    async with (
        healthy(bare_stack, other, **settings, WHALE_HTTP_PORT=str(ports[other])),
        aiohttp.ClientSession() as session,
    ):
        await eventually(lambda: responds(f"http://127.0.0.1:{ports[other]}/health/live"))
        port: dict[str, Any] = {"WHALE_HTTP_PORT": str(ports[service])}
        deadly = await start(
            bare_stack, service, dying=(group, point, str(nth)), **settings, **port
        )
        caller = Caller(bare_stack, store, session)
        customers = [f"cust_{number}" for number in range(CUSTOMERS)]
        working = asyncio.create_task(work(caller, ports, customers))
        await dies(deadly)
        again = await start(bare_stack, service, **settings, **port)
        try:
            await eventually(
                lambda: responds(f"http://127.0.0.1:{ports[service]}/health/live"),
            )
            restarted = time.monotonic()
            seen = await working
            await eventually(lambda: nothing_is_open(bare_stack, store))
            print("settled", time.monotonic() - restarted, "s after the restart")
            states = await books_are_exact(bare_stack, store)
            assert states["confirmed"] == seen["redeemed"] - seen["cancelled"]
            assert states["cancelled"] == seen["cancelled"]
            assert set(states) <= {"confirmed", "cancelled", "released"}
            await ledger_is_exact(bare_stack)
        finally:
            await end(again)


async def work(caller: Caller, ports: dict[str, int], customers: list[str]) -> Counter[str]:
    for customer in customers:
        body = {"customer_id": customer, "points": 5_000, "reason": "for the test"}
        status, response = await caller.until_outcome(ports["earning"], "loyalty/earn", body)
        assert status == 201, response
    seen = await asyncio.gather(
        *(redeem_and_cancel(caller, ports["redemption"], one, 4) for one in customers)
    )
    return sum(seen, Counter())


async def nothing_is_open(stack: Stack, store: str) -> bool:
    connection = await asyncpg.connect(stack.database("redemption"))
    try:
        return bool(
            await connection.fetchval(
                "SELECT count(*) = 0 FROM redemptions WHERE store_id = $1 "
                "AND status IN ('reserved', 'cancelling')",
                store,
            )
        )
    finally:
        await connection.close()


async def ledger_is_exact(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.database("earning", owner=True))
    try:
        assert await ledger_faults(connection) == []
    finally:
        await connection.close()
