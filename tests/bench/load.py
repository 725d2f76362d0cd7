"""Clients that each send their next request once they have the response to the previous one."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from msgspec import Struct

from tests.bench.bench import Bench
from tests.bench.figures import Figure

CLIENTS = 32

Send = Callable[[aiohttp.ClientSession, int], Awaitable[int]]


class Load(Struct, frozen=True):
    """What CLIENTS clients measured: responses per second, and the 99th percentile of their waits in
    milliseconds."""

    rate: Figure
    p99: Figure

    def __str__(self) -> str:
        return f"{self.rate} · p99 {self.p99} ms"


async def load(bench: Bench, send: Send, pids: Sequence[int], *, status: int) -> Load:
    """Send for as long as the sizes say; `pids` are the processes whose CPU time counts."""
    waits: list[float] = []
    numbers = itertools.count()
    meter = bench.meter(*pids)

    async def client(session: aiohttp.ClientSession) -> None:
        while (now := time.perf_counter()) < started + bench.sizes.load_seconds:
            code = await send(session, next(numbers))
            assert code == status, code
            waits.append(time.perf_counter() - now)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CLIENTS)) as session:
        before, started = meter.read(), time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(CLIENTS)))
        elapsed = time.perf_counter() - started
        cpu = meter.read() - before
    p99 = sorted(waits)[int(len(waits) * 0.99)] * 1_000
    return Load(Figure(len(waits) / elapsed, cpu.per(len(waits))), Figure(p99))


def post_json(url: str, headers: dict[str, str], body: Callable[[int], dict[str, object]]) -> Send:
    """Posts the body of each number; returns the status."""

    async def send(session: aiohttp.ClientSession, number: int) -> int:
        async with session.post(url, json=body(number), headers=headers) as response:
            await response.read()
            return response.status

    return send


def get_page(url: Callable[[int], str], headers: dict[str, str]) -> Send:
    """Gets the address of each number; returns the status."""

    async def send(session: aiohttp.ClientSession, number: int) -> int:
        async with session.get(url(number), headers=headers) as response:
            await response.read()
            return response.status

    return send
