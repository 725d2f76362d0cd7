"""The benchmarks of manual awards: one per request, and many per request."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from tests.bench import bare
from tests.bench.backlog import tidy_ledger, work_off
from tests.bench.bench import Bench
from tests.bench.databases import create_program, lean_database
from tests.bench.figures import Figure
from tests.bench.load import Load, Send, load, post_json
from tests.bench.outcome import Outcome, outcome
from tests.bench.servers import STORE, Service, process, unlimited_gateway
from tests.bench.turns import in_turns

CUSTOMERS = 10_000
# Items per request, the most that the API accepts, and requests at a time.
_BATCH = 500
_REQUESTS = 8
_runs = itertools.count()


async def manual_earn(bench: Bench) -> list[Outcome]:
    """Manual awards through the gateway, against a bare service of one statement without a gateway."""
    await create_program(bench.stack.database("earning", owner=True))
    key = await bench.stack.key(STORE)
    url = await lean_database(bench.stack)
    async with _api(bench) as (gateway, pids), bare.serving(url) as bare_service:

        async def ours() -> Load:
            headers = {"Authorization": f"Bearer {key}"}
            return await load(bench, _earn(f"{gateway}/earn", headers), pids, status=201)

        async def limit() -> Load:
            address = f"http://127.0.0.1:{bare_service.port}/earn"
            return await load(bench, _earn(address, {}), [bare_service.pid], status=201)

        loads = await in_turns(bench, "manual earn", {"ours": ours, "limit": limit})
    figures = {side: [one.rate for one in loads[side]] for side in loads}
    return [outcome("manual earn", figures["ours"], figures["limit"], unit="requests/s")]


@asynccontextmanager
async def _api(bench: Bench, roles: str | None = None) -> AsyncIterator[tuple[str, list[int]]]:
    """Earning behind a gateway: the address of the store's operations, and the pids of both."""
    settings = {} if roles is None else {"WHALE_ROLES": roles}
    async with AsyncExitStack() as running:
        earning: Service = await running.enter_async_context(
            process(bench.stack, "earning", **settings)
        )
        gateway = await running.enter_async_context(
            unlimited_gateway(bench.stack, WHALE_EARNING_URL=f"http://127.0.0.1:{earning.port}")
        )
        address = f"http://127.0.0.1:{gateway.port}/v1/stores/me/loyalty"
        yield address, [earning.pid, gateway.pid]


def _earn(url: str, headers: dict[str, str]) -> Send:
    return post_json(
        url,
        headers,
        lambda number: {
            "customer_id": f"cust_{number % CUSTOMERS}",
            "points": 5,
            "reason": "Birthday bonus",
        },
    )


async def p17_batches(bench: Bench) -> list[Outcome]:
    """P17: manual awards by the batch through the gateway, against P1's rate. The relay is off on
    both sides."""
    await create_program(bench.stack.database("earning", owner=True))
    key = await bench.stack.key(STORE)
    headers = {"Authorization": f"Bearer {key}"}

    async def ours() -> Figure:
        await tidy_ledger(bench)
        async with _api(bench, roles="api") as (address, pids):
            return await _award_all(bench, f"{address}/earn/batch", headers, pids)

    async def limit() -> Figure:
        await tidy_ledger(bench)
        return (await work_off(bench)).steady

    name = "P17 awards in batches"
    figures = await in_turns(bench, name, {"ours": ours, "limit": limit})
    return [outcome(name, figures["ours"], figures["limit"], unit="awards/s")]


async def _award_all(bench: Bench, url: str, headers: dict[str, str], pids: list[int]) -> Figure:
    """All awards of the benchmark, so many requests at a time."""
    run = next(_runs)
    send = post_json(url, headers, lambda number: {"items": _items(run, number)})
    numbers = iter(range(bench.sizes.awards // _BATCH))
    meter = bench.meter(*pids)
    async with aiohttp.ClientSession() as session:

        async def client() -> None:
            for number in numbers:
                status = await send(session, number)
                assert status == 200, status

        before, started = meter.read(), asyncio.get_running_loop().time()
        await asyncio.gather(*(client() for _ in range(_REQUESTS)))
        seconds = asyncio.get_running_loop().time() - started
    cpu = meter.read() - before
    count = bench.sizes.awards // _BATCH * _BATCH
    return Figure(count / seconds, cpu.per(count))


def _items(run: int, number: int) -> list[dict[str, object]]:
    return [
        {
            "customer_id": f"cust_{(number * _BATCH + place) * 7919 % 100_000}",
            "points": 5,
            "reason": f"Import {run}",
        }
        for place in range(_BATCH)
    ]
