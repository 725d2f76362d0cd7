"""The benchmarks of redemption and of the rewards' list."""

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from msgspec import Struct

from libs.testing.eventually import eventually
from tests.bench import bare
from tests.bench.earning import CLIENTS, ROUNDS, create_program, lean_database
from tests.bench.harness import Outcome, alternate, at_least, at_most
from tests.bench.servers import STORE, process, responds
from tests.support import Stack
from tools.stack.config import free_port

CUSTOMERS = 10_000
REWARDS = 100
STOCK = 1_000_000
SECONDS = 5.0

_RICH = """
INSERT INTO accounts (store_id, customer_id, balance, lifetime, sequence, suspended, tier, member_since)
SELECT $1, 'cust_' || n, 1000000000000, 0, 0, false, 'Bronze', now() FROM generate_series(0, $2) n
"""

Send = Callable[[aiohttp.ClientSession, int], Awaitable[int]]


class Load(Struct, frozen=True):
    """What CLIENTS clients measured: responses per second, and the 99th percentile of their waits in
    seconds."""

    rate: float
    p99: float


async def load(send: Send, *, status: int, seconds: float = SECONDS) -> Load:
    """Each client sends its next request once it has the response to the previous one."""
    waits: list[float] = []
    numbers = itertools.count()
    started = time.perf_counter()

    async def client(session: aiohttp.ClientSession) -> None:
        while (now := time.perf_counter()) < started + seconds:
            code = await send(session, next(numbers))
            assert code == status, code
            waits.append(time.perf_counter() - now)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CLIENTS)) as session:
        await asyncio.gather(*(client(session) for _ in range(CLIENTS)))
    elapsed = time.perf_counter() - started
    return Load(len(waits) / elapsed, sorted(waits)[int(len(waits) * 0.99)])


class Running(Struct, frozen=True):
    """The services under a benchmark, and the headers with a key for them."""

    gateway: str
    headers: dict[str, str]

    def redeem(self, customers: int, rewards: int) -> Send:
        """Redeems, spread over so many customers and rewards."""
        return _redeem(
            f"{self.gateway}/v1/stores/me/loyalty/redeem", self.headers, customers, rewards
        )


def _redeem(url: str, headers: dict[str, str], customers: int, rewards: int) -> Send:
    async def send(session: aiohttp.ClientSession, number: int) -> int:
        body = {
            "customer_id": f"cust_{number * 7919 % customers}",
            "reward_id": f"rwd_{number % rewards}",
        }
        async with session.post(url, json=body, headers=headers) as response:
            await response.read()
            return response.status

    return send


@asynccontextmanager
async def running(stack: Stack) -> AsyncIterator[Running]:
    """All services that redeeming needs, the rewards of the store, and customers with many points."""
    await create_program(stack)
    key = await stack.key(STORE)
    ports = {name: free_port() for name in ("earning", "catalog", "redemption")}
    urls = {f"WHALE_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    async with AsyncExitStack() as services:
        for name, port in ports.items():
            await services.enter_async_context(
                process(stack, name, **urls, WHALE_HTTP_PORT=str(port))
            )
        gateway = await services.enter_async_context(unlimited_gateway(stack, **urls))
        headers = {"Authorization": f"Bearer {key}"}
        services_under_test = Running(f"http://127.0.0.1:{gateway}", headers)
        await make_rewards(stack, services_under_test)
        await make_customers(stack.database("earning", owner=True))
        yield services_under_test


def unlimited_gateway(stack: Stack, **urls: str) -> Any:
    return process(
        stack,
        "gateway",
        **urls,
        WHALE_RATE_LIMIT_PER_SECOND="1000000",
        WHALE_RATE_LIMIT_BURST="1000000",
    )


async def make_customers(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(_RICH, STORE, CUSTOMERS - 1)
    await connection.execute("VACUUM ANALYZE accounts")
    await connection.close()


async def make_rewards(stack: Stack, services: Running) -> None:
    """Create the rewards over the API, and wait until redemption has them."""
    url = f"{services.gateway}/v1/stores/me/loyalty/rewards"
    async with aiohttp.ClientSession(headers=services.headers, raise_for_status=True) as session:
        for number in range(REWARDS):
            reward = {
                "id": f"rwd_{number}",
                "name": f"Reward {number}",
                "points_cost": 10,
                "type": "shipping",
                "stock": STOCK,
            }
            async with session.post(url, json=reward):
                pass
    connection = await asyncpg.connect(stack.database("redemption"))

    async def have_arrived() -> bool:
        return bool(await connection.fetchval("SELECT count(*) FROM rewards") == REWARDS)

    await eventually(have_arrived, within_seconds=30)
    await connection.close()


async def bare_database(stack: Stack) -> str:
    """The bare service's tables, with the same customers and rewards."""
    url = await lean_database(stack)
    await make_customers(url)
    connection = await asyncpg.connect(url)
    await connection.execute(bare.REWARDS)
    await connection.execute(
        "INSERT INTO bare_rewards SELECT 'rwd_' || n, 10, $1, 0 FROM generate_series(0, $2) n",
        *(STOCK, REWARDS - 1),
    )
    await connection.close()
    return url


async def redeem_spread(stack: Stack) -> list[Outcome]:
    """Redeeming through the gateway, many customers, against a bare service of one transaction."""
    async with running(stack) as services:
        url = await bare_database(stack)
        async with bare.serving(url) as port:
            lean = _redeem(f"http://127.0.0.1:{port}/redeem", {}, CUSTOMERS, REWARDS)

            async def ours() -> float:
                return (await load(services.redeem(CUSTOMERS, REWARDS), status=201)).rate

            async def limit() -> float:
                return (await load(lean, status=201)).rate

            await ours()
            await limit()
            figures = await alternate("redeem", ours, limit, rounds=ROUNDS)
    return [at_least("redeem", figures, unit="requests/s", goal=0.35)]


async def redeem_hot_customer(stack: Stack) -> list[Outcome]:
    """All redemptions on one customer, against the same spread over many."""
    waits: dict[str, list[float]] = {"ours": [], "limit": []}
    async with running(stack) as services:

        async def measure(which: str, customers: int) -> float:
            measured = await load(services.redeem(customers, REWARDS), status=201)
            waits[which].append(measured.p99)
            return measured.rate

        await measure("ours", 1)
        waits["ours"].clear()
        figures = await alternate(
            "redeem hot customer",
            lambda: measure("ours", 1),
            lambda: measure("limit", CUSTOMERS),
            rounds=ROUNDS,
        )
    ours, limit = (statistics.median(waits[one]) * 1_000 for one in ("ours", "limit"))
    return [
        at_least("redeem hot customer", figures, unit="requests/s", goal=0.9),
        at_most("redeem hot customer p99", ours=ours, limit=limit, unit="ms", goal=1.5),
    ]


async def redeem_hot_reward(stack: Stack) -> list[Outcome]:
    """All redemptions of one reward with a stock, against the same spread over a hundred."""
    async with running(stack) as services:

        async def measure(rewards: int) -> float:
            return (await load(services.redeem(CUSTOMERS, rewards), status=201)).rate

        await measure(1)
        figures = await alternate(
            "redeem hot reward", lambda: measure(1), lambda: measure(REWARDS), rounds=ROUNDS
        )
    return [at_least("redeem hot reward", figures, unit="requests/s", goal=0.7)]


async def rewards_list(stack: Stack) -> list[Outcome]:
    """GET rewards, a hundred of them, against the gateway in front of a fixed response."""
    async with running(stack) as services:
        path = "/v1/stores/me/loyalty/rewards?limit=100"
        body = await _get(services.gateway + path, services.headers)
        assert len(json.loads(body)["data"]) == REWARDS
        file = Path(stack.home) / "rewards.json"
        file.write_bytes(body)
        url = await lean_database(stack)
        async with AsyncExitStack() as fixed_stack:
            port = await fixed_stack.enter_async_context(bare.serving(url, str(file)))
            other = {
                f"WHALE_{name}_URL": f"http://127.0.0.1:{port}" for name in ("CATALOG", "EARNING")
            }
            gateway = await fixed_stack.enter_async_context(unlimited_gateway(stack, **other))
            assert await responds(f"http://127.0.0.1:{gateway}/health/live")

            def getting(base: str) -> Send:
                async def send(session: aiohttp.ClientSession, _number: int) -> int:
                    async with session.get(base + path, headers=services.headers) as response:
                        await response.read()
                        return response.status

                return send

            async def measure(base: str) -> float:
                return (await load(getting(base), status=200)).rate

            fixed = f"http://127.0.0.1:{gateway}"
            await measure(services.gateway)
            await measure(fixed)
            figures = await alternate(
                "list of rewards",
                lambda: measure(services.gateway),
                lambda: measure(fixed),
                rounds=ROUNDS,
            )
    return [at_least("list of rewards", figures, unit="requests/s", goal=0.6)]


async def _get(url: str, headers: dict[str, str]) -> bytes:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.get(url, headers=headers) as response,
    ):
        return await response.read()
