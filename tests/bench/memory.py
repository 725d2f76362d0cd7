"""P15: the memory of every service after many events, with requests in between."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import aiohttp
import psutil

from libs.contracts.topics import POINTS_EARNED
from libs.kernel.clock import format_time
from tests.bench.backlog import all_is_published
from tests.bench.bench import Bench
from tests.bench.databases import create_program
from tests.bench.orders import customer_of, order_value, publish
from tests.bench.outcome import Outcome, outcome
from tests.bench.redemption import CUSTOMERS, REWARDS, Running, make_rewards
from tests.bench.servers import STORE, Lag, Service, process, unlimited_gateway
from tests.support import Stack
from tools.stack.config import SERVICES, free_port

MAX_MEGABYTES = 150
_CHUNK = 500_000
# Time goes on by a month per chunk, and ends before the present.
_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
_INTERVAL = timedelta(days=30) / _CHUNK
# A pause after each request, so that the requests take little of the processors.
_PAUSE_SECONDS = 0.02


async def p15_memory(bench: Bench) -> list[Outcome]:
    """P15: the resident memory of each service after so many events as the large ledger has entries,
    against that after as many as the small one has; meanwhile a client reads and redeems."""
    small, large = bench.sizes.small_ledger, bench.sizes.large_ledger
    await create_program(bench.stack.database("earning", owner=True))
    async with _all_services(bench.stack) as (running, services):
        await make_rewards(bench.stack, running)
        client = asyncio.create_task(_request_forever(running))
        try:
            await _post(bench, range(small))
            after_small = _megabytes(services)
            bench.display.line(f"  after {small:,} events: {_text(after_small)}")
            await _post(bench, range(small, large))
            after_large = _megabytes(services)
            bench.display.line(f"  after {large:,} events: {_text(after_large)}")
        finally:
            client.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await client
    growths = [
        outcome(f"P15 growth of {name}", after_large[name], after_small[name], unit="MB")
        for name in SERVICES
    ]
    largest = max(after_large, key=lambda name: after_large[name])
    total = outcome(
        "P15 largest service", after_large[largest], MAX_MEGABYTES, unit="MB", note=largest
    )
    return [*growths, total]


@contextlib.asynccontextmanager
async def _all_services(stack: Stack) -> AsyncIterator[tuple[Running, dict[str, Service]]]:
    """One process of every service."""
    key = await stack.key(STORE)
    ports = {name: free_port() for name in SERVICES}
    urls = {f"WHALE_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    async with contextlib.AsyncExitStack() as running:
        services = {}
        for name, port in ports.items():
            start = (
                unlimited_gateway(stack, **urls, WHALE_HTTP_PORT=str(port))
                if name == "gateway"
                else process(stack, name, **urls, WHALE_HTTP_PORT=str(port))
            )
            services[name] = await running.enter_async_context(start)
        gateway = f"http://127.0.0.1:{ports['gateway']}"
        pids = [one.pid for one in services.values()]
        yield Running(gateway, {"Authorization": f"Bearer {key}"}, pids), services


async def _post(bench: Bench, numbers: range) -> None:
    """Post the orders of these numbers, chunk by chunk, until every consumer has processed them."""
    url = bench.stack.database("earning")
    with bench.display.step("events", len(numbers)) as advance:
        for start in range(numbers.start, numbers.stop, _CHUNK):
            chunk = range(start, min(start + _CHUNK, numbers.stop))
            await publish(bench, len(chunk), _orders(chunk))
            async with Lag(bench.stack) as remaining:
                while await remaining():
                    await asyncio.sleep(0.5)
            while not await all_is_published(url):
                await asyncio.sleep(0.5)
            async with Lag(bench.stack, topic=POINTS_EARNED, group="anomaly") as remaining:
                while await remaining():
                    await asyncio.sleep(0.5)
            advance(chunk.stop - numbers.start)


def _orders(numbers: range) -> Iterator[tuple[str, bytes]]:
    """Orders as time goes on: a customer comes every few days."""
    for number in numbers:
        customer = customer_of(number)
        completed_at = format_time(_BEGIN + number * _INTERVAL)
        yield customer, order_value(f"m{number}", customer, completed_at=completed_at)


async def _request_forever(running: Running) -> None:
    """One client: a status, a list of rewards, a redemption, in turns."""
    base = f"{running.gateway}/v1/stores/me/loyalty"
    redeem = running.redeem(CUSTOMERS, REWARDS)
    async with aiohttp.ClientSession(headers=running.headers) as session:
        for number in itertools.count():
            for path in (f"customers/{customer_of(number)}", "rewards", "redemptions"):
                async with session.get(f"{base}/{path}") as response:
                    await response.read()
                await asyncio.sleep(_PAUSE_SECONDS)
            await redeem(session, number)
            await asyncio.sleep(_PAUSE_SECONDS)


def _megabytes(services: dict[str, Service]) -> dict[str, float]:
    """The resident memory of each service."""
    return {name: psutil.Process(one.pid).memory_info().rss / 1e6 for name, one in services.items()}


def _text(megabytes: dict[str, float]) -> str:
    return ", ".join(f"{name} {size:.0f} MB" for name, size in megabytes.items())
