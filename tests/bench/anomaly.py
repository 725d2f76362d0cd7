"""The benchmarks of anomaly: what detection costs, and how soon it flags."""

import asyncio
import itertools
import random
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiohttp
import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer

from libs.contracts.events import PointsPosted
from libs.contracts.topics import ORDER_COMPLETED, POINTS_EARNED, record_key
from libs.kernel.clock import format_time, utc_now
from libs.kernel.ids import new_id
from libs.testing.eventually import eventually
from tests.bench.earning import CUSTOMERS, ORDERS, ROUNDS, create_program, tidy
from tests.bench.harness import Outcome, alternate, at_least, at_most
from tests.bench.latency import open_loop, producer, summary
from tests.bench.servers import STORE, Lag, order_value, process, steady_rate
from tests.support import Stack
from tools.stack import config

GROUP = "anomaly"
DAYS = 30
# Early enough for every backlog to lie in the past.
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
_runs = itertools.count()
RATE = 500
SECONDS = 20
# Of five events one belongs to a burst of ten, whose last one is watched.
EVERY = 5
BURST = 10


async def detection(stack: Stack) -> list[Outcome]:
    """P1 with detection running, against P1 without it; and the time from earned to flagged."""
    await create_program(stack)
    delays: list[float] = []

    async def ours() -> float:
        await catch_up(stack)
        async with process(stack, "anomaly"):
            return await backlog_rate(stack, delays)

    async def limit() -> float:
        return await backlog_rate(stack, None)

    # The first round of each creates the accounts, and does not count.
    await limit()
    await ours()
    delays.clear()
    figures = await alternate("detection", ours, limit, rounds=ROUNDS)
    await catch_up(stack)
    return [
        at_least("detection", figures, unit="orders/s", goal=0.75),
        at_most("detection delay", ours=max(delays), limit=5, unit="s", goal=1.0),
        at_most("flagged", ours=await earned_to_flagged(stack), limit=1_000, unit="ms", goal=1.0),
    ]


async def catch_up(stack: Stack) -> None:
    """Let anomaly process the earnings that were published without it."""
    async with Lag(stack, topic=POINTS_EARNED, group=GROUP) as lag:
        if await lag():
            async with process(stack, "anomaly"):
                while await lag():
                    await asyncio.sleep(0.2)


async def backlog_rate(stack: Stack, delays: list[float] | None) -> float:
    """Orders a second from a backlog in Kafka to committed entries, with the relay on. Adds to
    `delays` the seconds from the publication of the last earning until anomaly has processed it."""
    await publish_orders(stack)
    await tidy(stack.database("earning", owner=True))
    async with AsyncExitStack() as running, Lag(stack) as lag:
        for _ in range(2):
            await running.enter_async_context(
                process(stack, "earning", WHALE_ROLES="consumers,relay")
            )
        rate = await steady_rate(lag, ORDERS)
        await eventually(lambda: all_is_published(stack), within_seconds=120)
    if delays is not None:
        published_at = time.perf_counter()
        async with Lag(stack, topic=POINTS_EARNED, group=GROUP) as lag:
            while await lag():
                await asyncio.sleep(0.05)
        delays.append(time.perf_counter() - published_at)
    return rate


async def all_is_published(stack: Stack) -> bool:
    connection = await asyncpg.connect(stack.database("earning"))
    try:
        return bool(await connection.fetchval("SELECT count(*) = 0 FROM outbox"))
    finally:
        await connection.close()


async def publish_orders(stack: Stack) -> None:
    """A backlog of new orders of many customers, over the thirty days that follow those of the
    backlog before: a shop's time goes on."""
    run = next(_runs)
    start_ = BEGIN + run * timedelta(days=DAYS)
    async with AIOKafkaProducer(
        bootstrap_servers=stack.kafka, linger_ms=20, max_batch_size=262_144
    ) as sending:
        for start in range(0, ORDERS, 10_000):
            sent = []
            for number in range(start, min(start + 10_000, ORDERS)):
                customer = f"cust_{number * 7919 % CUSTOMERS}"
                at = start_ + timedelta(days=DAYS) * number / ORDERS
                value = order_value(f"d{run}-{number}", customer, completed_at=format_time(at))
                key = record_key(STORE, customer)
                sent.append(await sending.send(ORDER_COMPLETED, key=key, value=value))
            await asyncio.gather(*sent)


async def earned_to_flagged(stack: Stack) -> float:
    """Milliseconds, the 99th of a hundred, from when an earning was due on the topic to when the
    list of anomalies shows its burst; open loop."""
    run = f"l{random.randrange(10**9)}"
    token = config.stack_secrets(stack.home).internal_token
    seen: list[float] = []
    watching: list[asyncio.Task[None]] = []
    async with (
        process(stack, "anomaly") as port,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        producer(stack) as sending,
    ):
        url = f"http://127.0.0.1:{port}/v1/stores/{STORE}/loyalty/anomalies"

        async def watch(customer: str, due: float) -> None:
            while True:
                async with session.get(f"{url}?customer_id={customer}") as response:
                    if (await response.json())["data"]:
                        seen.append(time.perf_counter() - due)
                        return
                await asyncio.sleep(0.01)

        async def send(number: int, due: float) -> None:
            burst, nth = divmod(number // EVERY, BURST)
            in_burst = number % EVERY == 0
            customer = f"{run}-b{burst}" if in_burst else f"{run}-{number % 50_000}"
            await sending.send(
                POINTS_EARNED, key=record_key(STORE, customer), value=earned(customer)
            )
            if in_burst and nth == BURST - 1:
                watching.append(asyncio.create_task(watch(customer, due)))

        # The clock starts once the consumer has its partitions.
        first = f"{run}-first"
        for _ in range(BURST):
            await sending.send(POINTS_EARNED, key=record_key(STORE, first), value=earned(first))
        await asyncio.wait_for(watch(first, time.perf_counter()), 60)
        seen.clear()
        await open_loop(send, rate=RATE, seconds=SECONDS)
        await asyncio.wait_for(asyncio.gather(*watching), 30)
    return summary(seen).p99 * 1_000


def earned(customer_id: str) -> bytes:
    now = format_time(utc_now())
    event = PointsPosted(
        store_id=STORE,
        transaction_id=new_id("txn"),
        customer_id=customer_id,
        sequence=1,
        type="earn",
        points=100,
        balance_after=100,
        lifetime_after=100,
        reason="Order #1",
        occurred_at=now,
        created_at=now,
    )
    return msgspec.json.encode(event)
