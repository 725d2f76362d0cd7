"""The benchmarks of earning."""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg

from libs.kernel.ids import uuid7
from libs.persistence.engine import create_batch_engine, transaction
from libs.persistence.migrate import upgrade
from services.earning.domain.programs import Program, Tier
from services.earning.store import programs
from tests.bench import bare, lean_loader
from tests.bench.harness import Outcome, alternate, at_least, at_most
from tests.bench.latency import produced_to_committed, produced_to_visible
from tests.bench.servers import STORE, Lag, process, publish_orders, steady_rate
from tests.support import Stack
from tools.stack import config, postgres

ORDERS = int(os.environ.get("BENCH_ORDERS", "500000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
CUSTOMERS = 100_000
CLIENTS = 32
_numbers = itertools.count()


async def create_program(stack: Stack) -> None:
    """Give the store of the benchmarks a program with one tier, unless it has a program."""
    engine = create_batch_engine(stack.database("earning"), name="bench")
    async with transaction(engine) as connection:
        if not await programs.read(connection, [STORE]):
            program = Program(
                id=uuid7(),
                version_id=0,
                name="Bench",
                points_per_dollar=Decimal(10),
                currency="USD",
                is_active=True,
                tiers=(Tier("Bronze", 0, Decimal(1)),),
                created_at=datetime.now(UTC),
            )
            await programs.create(connection, STORE, program)
    await engine.dispose()


async def backlog_rate(stack: Stack, *, processes: int, customers: int, orders: int) -> float:
    """Orders per second from a backlog in Kafka to committed entries and outbox, without the relay."""
    await publish_orders(stack, orders, customers=customers)
    await tidy(stack.database("earning", owner=True))
    async with AsyncExitStack() as running, Lag(stack) as remaining:
        for _ in range(processes):
            await running.enter_async_context(process(stack, "earning", WHALE_ROLES="consumers"))
        return await steady_rate(remaining, orders)


async def tidy(url: str) -> None:
    """Leave no work of the last round to the next one: empty the outbox, update the statistics."""
    connection = await asyncpg.connect(url)
    await connection.execute("TRUNCATE outbox")
    await connection.execute("VACUUM ANALYZE accounts, entries, orders")
    await connection.close()


async def lean_database(stack: Stack) -> str:
    """Create another database with the same tables and indexes; returns its owner's address."""
    password_of = config.stack_secrets(stack.home).password_of
    admin = stack.addresses.postgres_admin
    await postgres.create_database(admin, "earning", password_of, name="lean")
    url = postgres.role_url(admin, "earning_owner", password_of("earning_owner"), name="lean")
    await asyncio.to_thread(upgrade, "services.earning", url)
    return url


async def p1_backlog(stack: Stack) -> list[Outcome]:
    """P1: a backlog, two processes, against the lean loader."""
    await create_program(stack)
    lean = await lean_database(stack)

    async def ours() -> float:
        return await backlog_rate(stack, processes=2, customers=CUSTOMERS, orders=ORDERS)

    async def limit() -> float:
        run = next(_numbers)
        orders = [(f"{run}-{n}", f"cust_{n * 7919 % CUSTOMERS}") for n in range(ORDERS)]
        await tidy(lean)
        return await lean_loader.load(lean, orders)

    # The first round of each creates the accounts and is not counted.
    await ours()
    await limit()
    figures = await alternate("P1 backlog", ours, limit, rounds=ROUNDS)
    return [at_least("P1 backlog", figures, unit="orders/s", goal=0.5)]


async def p4_hot_customer(stack: Stack) -> list[Outcome]:
    """P4: all orders of one customer, one process, against the same spread over many."""
    await create_program(stack)
    count = ORDERS // 5

    async def ours() -> float:
        return await backlog_rate(stack, processes=1, customers=1, orders=count)

    async def limit() -> float:
        return await backlog_rate(stack, processes=1, customers=CUSTOMERS, orders=count)

    await limit()
    figures = await alternate("P4 hot customer", ours, limit, rounds=ROUNDS)
    return [at_least("P4 hot customer", figures, unit="orders/s", goal=1.0)]


async def requests_per_second(
    send: Callable[[aiohttp.ClientSession, int], Awaitable[int]], *, seconds: float
) -> float:
    """Responses per second to CLIENTS clients that each send a request after the last response."""
    until = time.perf_counter() + seconds
    responses = 0

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal responses
        while time.perf_counter() < until:
            status = await send(session, number)
            assert status == 201, status
            responses += 1

    started = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CLIENTS)) as session:
        await asyncio.gather(*(client(session, number) for number in range(CLIENTS)))
    return responses / (time.perf_counter() - started)


async def manual_earn(stack: Stack) -> list[Outcome]:
    """Manual awards through the gateway, against a bare service of one statement without a gateway."""
    await create_program(stack)
    key = await stack.key(STORE)
    lean = await lean_database(stack)
    async with AsyncExitStack() as running:
        earning = await running.enter_async_context(process(stack, "earning"))
        gateway = await running.enter_async_context(
            process(
                stack,
                "gateway",
                WHALE_EARNING_URL=f"http://127.0.0.1:{earning}",
                WHALE_RATE_LIMIT_PER_SECOND="1000000",
                WHALE_RATE_LIMIT_BURST="1000000",
            )
        )
        bare_port = await running.enter_async_context(bare.serving(lean))

        def sender(url: str, headers: dict[str, str]) -> Any:
            numbers = itertools.count()

            async def send(session: aiohttp.ClientSession, number: int) -> int:
                customer = f"cust_{next(numbers) % 10_000}"
                body = {"customer_id": customer, "points": 5, "reason": "Birthday bonus"}
                async with session.post(url, json=body, headers=headers) as response:
                    await response.read()
                    return response.status

            return send

        through = f"http://127.0.0.1:{gateway}/v1/stores/me/loyalty/earn"

        async def ours() -> float:
            send = sender(through, {"Authorization": f"Bearer {key}"})
            return await requests_per_second(send, seconds=5)

        async def limit() -> float:
            return await requests_per_second(
                sender(f"http://127.0.0.1:{bare_port}/earn", {}), seconds=5
            )

        await ours()
        await limit()
        figures = await alternate("manual earn", ours, limit, rounds=ROUNDS)
    return [at_least("manual earn", figures, unit="requests/s", goal=0.5)]


async def p3_latency(stack: Stack) -> list[Outcome]:
    """P3: produced to visible at 1,000 orders per second, against bare produce, consume, commit."""
    await create_program(stack)
    ours: dict[str, list[float]] = {"p50": [], "p99": []}
    limit: dict[str, list[float]] = {"p50": [], "p99": []}
    dropped = 0
    for number in range(ROUNDS):
        for which in ((0, 1), (1, 0))[number % 2]:
            if which == 0:
                latency = await produced_to_visible(stack)
                dropped += latency.dropped
            else:
                latency = await produced_to_committed(stack)
            into = (ours, limit)[which]
            into["p50"].append(latency.p50)
            into["p99"].append(latency.p99)
            print(f"  P3 round {number + 1}: {('ours', 'limit')[which]} {latency}")
    middle = ROUNDS // 2
    assert dropped == 0, f"{dropped} orders were dropped"
    return [
        at_most(
            f"P3 latency {name}",
            ours=sorted(ours[name])[middle] * 1_000,
            limit=sorted(limit[name])[middle] * 1_000,
            unit="ms",
            goal=goal,
        )
        for name, goal in (("p50", 2.0), ("p99", 3.0))
    ]
