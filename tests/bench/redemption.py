"""The benchmarks of redemption and of the rewards' list."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
from msgspec import Struct

from libs.testing.eventually import eventually
from tests.bench import bare
from tests.bench.bench import Bench
from tests.bench.databases import create_program, lean_database
from tests.bench.load import Load, Send, get_page, load, post_json
from tests.bench.outcome import Outcome, outcome
from tests.bench.servers import STORE, process, unlimited_gateway
from tests.bench.turns import in_turns
from tests.support import Stack
from tools.stack.config import free_port

CUSTOMERS = 10_000
REWARDS = 100
STOCK = 1_000_000

_RICH = """
INSERT INTO accounts (store_id, customer_id, balance, lifetime, sequence, suspended, tier, member_since)
SELECT $1, 'cust_' || n, 1000000000000, 0, 0, false, 'Bronze', now() FROM generate_series(0, $2) n
"""


class Running(Struct, frozen=True):
    """The services under a benchmark, the headers with a key for them, and their pids."""

    gateway: str
    headers: dict[str, str]
    pids: list[int]

    def redeem(self, customers: int, rewards: int) -> Send:
        """Redeems, spread over so many customers and rewards."""
        url = f"{self.gateway}/v1/stores/me/loyalty/redeem"
        return _redeem(url, self.headers, customers, rewards)


def _redeem(url: str, headers: dict[str, str], customers: int, rewards: int) -> Send:
    return post_json(
        url,
        headers,
        lambda number: {
            "customer_id": f"cust_{number * 7919 % customers}",
            "reward_id": f"rwd_{number % rewards}",
        },
    )


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Running]:
    """All services that redeeming needs, the rewards of the store, and customers with many points."""
    stack = bench.stack
    await create_program(stack.database("earning", owner=True))
    key = await stack.key(STORE)
    ports = {name: free_port() for name in ("earning", "catalog", "redemption")}
    urls = {f"WHALE_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    async with AsyncExitStack() as services:
        processes = [
            await services.enter_async_context(
                process(stack, name, **urls, WHALE_HTTP_PORT=str(port))
            )
            for name, port in ports.items()
        ]
        gateway = await services.enter_async_context(unlimited_gateway(stack, **urls))
        services_under_test = Running(
            f"http://127.0.0.1:{gateway.port}",
            {"Authorization": f"Bearer {key}"},
            [one.pid for one in (*processes, gateway)],
        )
        await make_rewards(stack, services_under_test)
        await make_customers(stack.database("earning", owner=True))
        yield services_under_test


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


async def p5_redeem(bench: Bench) -> list[Outcome]:
    """P5: redeeming through the gateway, many customers, against a bare service of one transaction."""
    async with running(bench) as services, bare.serving(await bare_database(bench.stack)) as other:
        lean = _redeem(f"http://127.0.0.1:{other.port}/redeem", {}, CUSTOMERS, REWARDS)
        loads = await in_turns(
            bench,
            "P5 redeem",
            {
                "ours": lambda: _load(bench, services, CUSTOMERS, REWARDS),
                "limit": lambda: load(bench, lean, [other.pid], status=201),
            },
        )
    return [_rates("P5 redeem", loads)]


async def _load(bench: Bench, services: Running, customers: int, rewards: int) -> Load:
    return await load(bench, services.redeem(customers, rewards), services.pids, status=201)


def _rates(name: str, loads: dict[str, list[Load]]) -> Outcome:
    ours, limit = ([one.rate for one in loads[side]] for side in ("ours", "limit"))
    return outcome(name, ours, limit, unit="requests/s")


async def redeem_hot_customer(bench: Bench) -> list[Outcome]:
    """All redemptions on one customer, against the same spread over many."""
    name = "redeem hot customer"
    async with running(bench) as services:
        loads = await in_turns(
            bench,
            name,
            {
                "ours": lambda: _load(bench, services, 1, REWARDS),
                "limit": lambda: _load(bench, services, CUSTOMERS, REWARDS),
            },
        )
    ours, limit = ([one.p99 for one in loads[side]] for side in ("ours", "limit"))
    return [_rates(name, loads), outcome(f"{name} p99", ours, limit, unit="ms")]


async def redeem_hot_reward(bench: Bench) -> list[Outcome]:
    """All redemptions of one reward with a stock, against the same spread over a hundred."""
    name = "redeem hot reward"
    async with running(bench) as services:
        loads = await in_turns(
            bench,
            name,
            {
                "ours": lambda: _load(bench, services, CUSTOMERS, 1),
                "limit": lambda: _load(bench, services, CUSTOMERS, REWARDS),
            },
        )
    return [_rates(name, loads)]


async def rewards_list(bench: Bench) -> list[Outcome]:
    """GET rewards, a hundred of them, against the gateway in front of a fixed response."""
    name, stack = "list of rewards", bench.stack
    async with running(bench) as services, AsyncExitStack() as fixed_stack:
        path = "/v1/stores/me/loyalty/rewards?limit=100"
        body = await _get(services.gateway + path, services.headers)
        assert len(json.loads(body)["data"]) == REWARDS
        file = Path(stack.home) / "rewards.json"
        file.write_bytes(body)
        url = await lean_database(stack)
        fixed = await fixed_stack.enter_async_context(bare.serving(url, str(file)))
        other = {
            f"WHALE_{one}_URL": f"http://127.0.0.1:{fixed.port}" for one in ("CATALOG", "EARNING")
        }
        gateway = await fixed_stack.enter_async_context(unlimited_gateway(stack, **other))
        address = f"http://127.0.0.1:{gateway.port}"

        async def measure(base: str, pids: list[int]) -> Load:
            send = get_page(lambda _number: base + path, services.headers)
            return await load(bench, send, pids, status=200)

        loads = await in_turns(
            bench,
            name,
            {
                "ours": lambda: measure(services.gateway, services.pids),
                "limit": lambda: measure(address, [fixed.pid, gateway.pid]),
            },
        )
    return [_rates(name, loads)]


async def _get(url: str, headers: dict[str, str]) -> bytes:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.get(url, headers=headers) as response,
    ):
        return await response.read()
