"""Processes of every service stopped under load, two of each running: callers lose nothing."""

import asyncio
import itertools
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest

from libs.contracts.operations import OWNERS
from libs.testing.eventually import eventually
from tests.chaos.alone import end, new_store, start
from tests.chaos.test_killed_redemption import ledger_is_exact
from tests.redeeming import books_are_exact
from tests.support import Stack
from tools.stack.config import free_ports

SERVICES = OWNERS
WORKERS = 8
EXIT_SECONDS = 15
# Load enough to meet every moment of a stop, and not so much that nothing else can start.
_PAUSE_SECONDS = 0.05
# The limit on a key's requests is not what is tried here.
UNLIMITED = {"WHALE_RATE_LIMIT_PER_SECOND": "1000000", "WHALE_RATE_LIMIT_BURST": "1000000"}


class Fleet:
    """Processes of each service, and a gateway that knows them all."""

    def __init__(self, stack: Stack, both: Sequence[str]) -> None:
        self._stack = stack
        drawn = iter(free_ports(2 * len(SERVICES) + 1, apart_from=stack.settings.ports))
        self.ports = {
            (name, n): next(drawn) for name in SERVICES for n in range(1 + (name in both))
        }
        self.ports["gateway", 0] = next(drawn)
        self.url = f"http://127.0.0.1:{self.ports['gateway', 0]}"
        self._settings = UNLIMITED | {
            f"WHALE_{name.upper()}_URL": ",".join(
                f"http://127.0.0.1:{port}" for (of, _), port in self.ports.items() if of == name
            )
            for name in SERVICES
        }
        self.processes: dict[tuple[str, int], asyncio.subprocess.Process] = {}

    async def launch(self, name: str, number: int = 0) -> float:
        """Start a process; returns after how many seconds it responded."""
        port = self.ports[name, number]
        started = time.monotonic()
        self.processes[name, number] = await start(
            self._stack, name, **self._settings, WHALE_HTTP_PORT=str(port)
        )
        url = f"http://127.0.0.1:{port}/health/ready"

        async def ready() -> None:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                assert response.status == 200, f"{name}: {await response.text()}"

        await eventually(ready, within_seconds=180, every=0.1)
        return time.monotonic() - started

    async def end(self) -> None:
        for process in self.processes.values():
            await end(process)

    async def stop(self, name: str, number: int = 0) -> float:
        """Have a process stop in its own order; returns after how many seconds it had ended."""
        started = time.monotonic()
        self.processes[name, number].terminate()
        await self.processes[name, number].wait()
        return time.monotonic() - started


@asynccontextmanager
async def running(stack: Stack, *, both: Sequence[str]) -> AsyncIterator[Fleet]:
    """The gateway and its services, of those in `both` two processes each."""
    fleet = Fleet(stack, both)
    async with AsyncExitStack() as cleanup:
        cleanup.push_async_callback(fleet.end)
        async with asyncio.TaskGroup() as starting:
            for place in fleet.ports:
                starting.create_task(fleet.launch(*place))
        yield fleet


class Caller:
    """A shop under load: repeats what was refused once, after the time it was given."""

    def __init__(self, fleet: Fleet, session: aiohttp.ClientSession, key: str, name: str) -> None:
        self.customer = f"cust_{name}"
        self.earned = 0
        self.seen: Counter[str] = Counter()
        self._fleet = fleet
        self._session = session
        self._key = key
        self._numbers = itertools.count()

    async def work(self, until: asyncio.Event) -> None:
        while not until.is_set():
            await self._earn()
            await self._call("GET", f"loyalty/customers/{self.customer}")
            await self._call("POST", "loyalty/redeem", {**self._who, "reward_id": "rwd_1"})
            await self._call("GET", "loyalty/rewards")
            await self._call("GET", "loyalty/anomalies")
            # Without a key: what did not provably fail to arrive is not repeated for the caller.
            body = {**self._who, "points": 1, "reason": "no key"}
            await self._call("POST", "loyalty/earn", body, keyed=False)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _earn(self) -> None:
        await self._call("POST", "loyalty/earn", {**self._who, "points": 10, "reason": "keyed"})
        self.earned += 10

    @property
    def _who(self) -> dict[str, object]:
        return {"customer_id": self.customer}

    async def _call(self, method: str, path: str, body: Any = None, *, keyed: bool = True) -> None:
        key = f"{self.customer}-{next(self._numbers)}" if keyed else None
        response = await self._send(method, path, body, key)
        if response[0] == 503:
            self.seen["refused"] += 1
            await asyncio.sleep(float(response[1]["Retry-After"]))
            response = await self._send(method, path, body, key)
        assert response[0] in {200, 201}, (method, path, response)
        self.seen["done"] += 1

    async def _send(
        self, method: str, path: str, body: Any, key: str | None
    ) -> tuple[int, Any, bytes]:
        headers = {"Authorization": f"Bearer {self._key}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        url = f"{self._fleet.url}/v1/stores/me/{path}"
        async with self._session.request(method, url, json=body, headers=headers) as response:
            return response.status, response.headers, await response.read()


async def give_reward(fleet: Fleet, session: aiohttp.ClientSession, key: str) -> None:
    body = {"id": "rwd_1", "name": "Sticker", "points_cost": 1, "type": "perk"}
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{fleet.url}/v1/stores/me/loyalty/rewards"
    async with session.post(url, json=body, headers=headers) as response:
        assert response.status == 201, await response.read()


async def earned_with_keys(stack: Stack, store_id: str) -> dict[str, int]:
    connection = await asyncpg.connect(stack.database("earning"))
    try:
        rows = await connection.fetch(
            """SELECT a.customer_id, sum(e.points)::bigint AS points
               FROM entries e JOIN accounts a ON a.id = e.account_id
               WHERE e.store_id = $1 AND e.reason = 'keyed' GROUP BY 1""",
            store_id,
        )
    finally:
        await connection.close()
    return {row["customer_id"]: row["points"] for row in rows}


@pytest.mark.timeout(600)
async def test_a_process_of_each_service_stops_and_nobody_notices(bare_stack: Stack) -> None:
    store_id = await new_store(bare_stack)
    key = await bare_stack.key(store_id)
    async with running(bare_stack, both=SERVICES) as fleet, aiohttp.ClientSession() as session:
        await give_reward(fleet, session, key)
        callers = [Caller(fleet, session, key, secrets.token_hex(4)) for _ in range(WORKERS)]
        done = asyncio.Event()
        async with asyncio.TaskGroup() as load:
            for one in callers:
                load.create_task(one.work(done))
            await asyncio.sleep(1)
            for name in SERVICES:
                before = sum((one.seen for one in callers), Counter())
                took = await fleet.stop(name)
                assert took < EXIT_SECONDS
                await fleet.launch(name)
                seen = sum((one.seen for one in callers), Counter()) - before
                print(f"{name} stopped in {took:.1f} s:", dict(seen))
            done.set()
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
            caller = Caller(fleet, session, key, f"{number}")
            while True:
                try:
                    await caller._earn()
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
        print(f"the gateway stopped in {took:.1f} s:", dict(seen))
        assert took < EXIT_SECONDS
        assert sum((await earned_with_keys(bare_stack, store_id)).values()) == 10 * seen["earned"]
        print(f"it refused connections for {await fleet.launch('gateway'):.1f} s after its restart")
