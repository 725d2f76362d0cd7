"""What a backlog of one store costs everybody else: manual awards, and another store's order."""

import asyncio
import json
import random
import time

import aiohttp
import asyncpg
from aiokafka import AIOKafkaProducer

from libs.contracts.topics import ORDER_COMPLETED, record_key
from tests.bench.bench import Bench
from tests.bench.databases import create_program
from tests.bench.figures import Figure
from tests.bench.latency import Found, summary
from tests.bench.orders import order_value, publish_backlog
from tests.bench.outcome import Outcome, outcome
from tests.bench.servers import Lag, process
from tests.chaos.alone import new_store
from tests.support import Stack
from tools.stack import config

AWARDS = 1_600
# The first awards of a new process connect to the database and prepare its statements.
WARM_UP = 80
# What another store's order may take behind the backlog.
SECONDS = 2.0


async def fairness(bench: Bench) -> list[Outcome]:
    """Manual awards one after the other, first on an idle system and then during a backlog that one
    process works off; meanwhile orders of another store, published behind it."""
    stack, backlog = bench.stack, bench.sizes.stalled
    await create_program(stack.database("earning", owner=True))
    store = await new_store(stack)
    async with process(stack, "earning", WHALE_ROLES="api") as service:
        idle = await _awards(stack, service.port, store)
    bench.display.line(f"  manual awards on an idle system: {idle}")
    await publish_backlog(bench, backlog, customers=20_000)
    async with process(stack, "earning") as service, Lag(stack) as remaining:
        while await remaining() > backlog - 2_000:
            await asyncio.sleep(0.05)
        meter = bench.meter(service.pid)
        before, at_first = meter.read(), await remaining()
        busy, waited = await asyncio.gather(
            _awards(stack, service.port, store), _orders(stack, store)
        )
        unposted = await remaining()
        cpu = (meter.read() - before).per(at_first - unposted) if unposted < at_first else None
    bench.display.line(
        f"  {unposted:,} orders of the backlog left after the awards; {cpu} µs per order"
    )
    bench.display.line(
        f"  another store's orders waited {', '.join(f'{one:.2f} s' for one in waited)}"
    )
    name = "manual award during a backlog, p99"
    return [
        outcome(name, [Figure(busy.p99, cpu)], idle.p99, unit="s"),
        outcome("another store's order behind a backlog", max(waited), SECONDS, unit="s"),
    ]


async def _awards(stack: Stack, port: int, store: str) -> Found:
    """Manual awards, 8 at a time, after a warm-up that is not measured."""
    token = config.stack_secrets(stack.home).internal_token
    url = f"http://127.0.0.1:{port}/v1/stores/{store}/loyalty/earn"
    seconds: list[float] = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:

        async def client(number: int) -> None:
            for turn in range((WARM_UP + AWARDS) // 8):
                body = {
                    "customer_id": f"award_{number}_{turn % 20}",
                    "points": 5,
                    "reason": "Birthday",
                }
                started = time.perf_counter()
                async with session.post(url, json=body) as response:
                    assert response.status == 201, await response.text()
                if turn >= WARM_UP // 8:
                    seconds.append(time.perf_counter() - started)
                await asyncio.sleep(0.01)

        await asyncio.gather(*(client(number) for number in range(8)))
    return summary(seconds)


async def _orders(stack: Stack, store: str) -> list[float]:
    """How long each of a few orders of another store waits."""
    waited = []
    connection = await asyncpg.connect(stack.database("earning"))
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka) as producer:
        for number in range(3):
            order = f"o{random.randrange(10**9)}-{number}"
            value = json.loads(order_value(order, f"cust_{number}")) | {"store_id": store}
            await producer.send_and_wait(
                ORDER_COMPLETED,
                json.dumps(value).encode(),
                key=record_key(store, f"cust_{number}"),
            )
            started = time.perf_counter()
            while not await connection.fetchval(
                "SELECT 1 FROM orders WHERE store_id = $1 AND order_id = $2", store, order
            ):
                await asyncio.sleep(0.02)
            waited.append(time.perf_counter() - started)
    await connection.close()
    return waited
