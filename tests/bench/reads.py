"""The benchmarks of reading from a large ledger: a customer's status, a deep page of transactions."""

import json
import time
from contextlib import AsyncExitStack
from functools import partial

import aiohttp

from tests.bench import bare, history
from tests.bench.bench import Bench
from tests.bench.databases import Second, create_program
from tests.bench.figures import Figure
from tests.bench.load import Load, get_page, load
from tests.bench.orders import customer_of
from tests.bench.outcome import Outcome, outcome
from tests.bench.servers import STORE, Service, process
from tests.bench.turns import in_turns
from tools.stack import config

_PAGES = 30


def _headers(bench: Bench) -> dict[str, str]:
    token = config.stack_secrets(bench.stack.home).internal_token
    return {"Authorization": f"Bearer {token}"}


async def p7_status(bench: Bench) -> list[Outcome]:
    """P7: GET status of random customers at a process of earning, with a small and a large ledger, each
    against a bare service with two queries on the same database."""
    headers = _headers(bench)
    async with AsyncExitStack() as running:

        async def measure(service: Service, path: str) -> Load:
            base = f"http://127.0.0.1:{service.port}{path}"
            send = get_page(lambda number: f"{base}/{customer_of(number)}", headers)
            return await load(bench, send, [service.pid], status=200)

        measures = {}
        sizes = {"small": bench.sizes.small_ledger, "large": bench.sizes.large_ledger}
        for size, entries in sizes.items():
            database = await Second(bench.stack, size).create()
            await create_program(database.owner)
            await history.fill(bench, database.owner, entries)
            ours = await running.enter_async_context(
                process(
                    bench.stack,
                    "earning",
                    WHALE_ROLES="api",
                    WHALE_DATABASE_URL=database.service,
                )
            )
            other = await running.enter_async_context(bare.serving(database.owner))
            path = f"/v1/stores/{STORE}/loyalty/customers"
            measures[f"ours, {size}"] = partial(measure, ours, path)
            measures[f"limit, {size}"] = partial(measure, other, "/customers")
        loads = await in_turns(bench, "P7 status", measures)
    rates = {which: [one.rate for one in measured] for which, measured in loads.items()}
    pairs = {
        "small ledger": ("ours, small", "limit, small"),
        "large ledger": ("ours, large", "limit, large"),
        "large and small ledger": ("ours, large", "ours, small"),
    }
    return [
        outcome(f"P7 status, {name}", rates[ours], rates[limit], unit="requests/s")
        for name, (ours, limit) in pairs.items()
    ]


async def p16_deep_page(bench: Bench) -> list[Outcome]:
    """P16: a deep page of the store's transactions, in a large ledger, against the first page."""
    owner = bench.stack.database("earning", owner=True)
    await create_program(owner)
    await history.fill(bench, owner, bench.sizes.large_ledger)
    async with (
        process(bench.stack, "earning", WHALE_ROLES="api") as service,
        aiohttp.ClientSession(headers=_headers(bench)) as session,
    ):
        base = f"http://127.0.0.1:{service.port}/v1/stores/{STORE}/loyalty/transactions?limit=20"

        async def get(url: str) -> str:
            """The page's last id."""
            async with session.get(url) as response:
                assert response.status == 200, await response.text()
                last: str = json.loads(await response.read())["data"][-1]["id"]
                return last

        url = base
        with bench.display.step("turning pages", bench.sizes.page) as advance:
            for number in range(bench.sizes.page - 1):
                url = f"{base}&starting_after={await get(url)}"
                advance(number)
        deep = url

        async def measure(url: str) -> Figure:
            meter = bench.meter(service.pid)
            before, started = meter.read(), time.perf_counter()
            for _ in range(_PAGES):
                await get(url)
            seconds = (time.perf_counter() - started) / _PAGES
            return Figure(seconds * 1_000, (meter.read() - before).per(_PAGES))

        name = "P16 deep page"
        figures = await in_turns(
            bench, name, {"ours": lambda: measure(deep), "limit": lambda: measure(base)}
        )
    return [outcome(name, figures["ours"], figures["limit"], unit="ms")]
