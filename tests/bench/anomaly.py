"""The benchmarks of anomaly: what detection costs, and how soon it flags."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec

from libs.contracts.events import PointsPosted
from libs.contracts.topics import POINTS_EARNED, record_key
from libs.kernel.clock import format_time, utc_now
from libs.kernel.ids import new_id
from libs.testing.eventually import eventually
from tests.bench.backlog import all_is_published, follow
from tests.bench.bench import Bench
from tests.bench.databases import create_program, tidy
from tests.bench.figures import Figure
from tests.bench.latency import open_loop, producer, summary
from tests.bench.orders import customer_of, order_value, publish
from tests.bench.outcome import Outcome, outcome
from tests.bench.servers import STORE, Lag, Service, process
from tests.bench.turns import in_turns
from tests.support import Stack
from tools.stack import config

GROUP = "anomaly"
DAYS = 30
# Early enough for every backlog to lie in the past.
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
_runs = itertools.count()
RATE = 500
# Enough bursts for a percentile.
LONGER = 8
MAX_DELAY_SECONDS = 5
MAX_FLAG_MILLISECONDS = 1_000
# Of five events one belongs to a burst of ten, whose last one is watched.
EVERY = 5
BURST = 10


async def p12_detection(bench: Bench) -> list[Outcome]:
    """P12: P1 with the relay and detection, against the same without detection; and the time from
    earned to flagged."""
    stack = bench.stack
    await create_program(stack.database("earning", owner=True))

    async def ours() -> Detected:
        await catch_up(stack)
        async with process(stack, "anomaly") as anomaly:
            return await backlog_rate(bench, anomaly)

    async def limit() -> Detected:
        return await backlog_rate(bench, None)

    figures = await in_turns(bench, "P12 detection", {"ours": ours, "limit": limit})
    await catch_up(stack)
    rates = {side: [one.rate for one in figures[side]] for side in figures}
    delay = max(one.delay for one in figures["ours"])
    return [
        outcome("P12 detection", rates["ours"], rates["limit"], unit="orders/s"),
        outcome("P12 detection delay", delay, MAX_DELAY_SECONDS, unit="s"),
        outcome("flagged", await earned_to_flagged(bench), MAX_FLAG_MILLISECONDS, unit="ms"),
    ]


class Detected(msgspec.Struct, frozen=True):
    """Orders per second, and the seconds that detection is behind at the end."""

    rate: Figure
    delay: float

    def __str__(self) -> str:
        return f"{self.rate} · {self.delay:.1f} s behind"


async def catch_up(stack: Stack) -> None:
    """Let anomaly process the earnings that were published without it."""
    async with Lag(stack, topic=POINTS_EARNED, group=GROUP) as lag:
        if await lag():
            async with process(stack, "anomaly"):
                while await lag():
                    await asyncio.sleep(0.2)


async def backlog_rate(bench: Bench, anomaly: Service | None) -> Detected:
    """Orders per second from a backlog on Kafka to committed entries, with the relay on; and, with
    detection, the seconds from the publication of the last earning until it is processed."""
    stack, orders = bench.stack, bench.sizes.orders
    await publish_orders(bench)
    await tidy(stack.database("earning", owner=True))
    async with AsyncExitStack() as running, Lag(stack) as remaining:
        services = [
            await running.enter_async_context(
                process(stack, "earning", WHALE_ROLES="consumers,relay")
            )
            for _ in range(2)
        ]
        meter = bench.meter(*(one.pid for one in (*services, *([anomaly] if anomaly else []))))
        course = await follow(bench, remaining, meter, orders)
        url = stack.database("earning")
        await eventually(lambda: all_is_published(url), within_seconds=300)
    delay = 0.0 if anomaly is None else await seconds_behind(stack)
    return Detected(course.steady, delay)


async def seconds_behind(stack: Stack) -> float:
    """Wait until detection has processed every earning; returns how long that took."""
    started = time.perf_counter()
    async with Lag(stack, topic=POINTS_EARNED, group=GROUP) as lag:
        while await lag():
            await asyncio.sleep(0.05)
    return time.perf_counter() - started


async def publish_orders(bench: Bench) -> None:
    """A backlog of new orders of many customers, over the thirty days that follow those of the
    backlog before: a shop's time goes on."""
    run, count = next(_runs), bench.sizes.orders
    begin = BEGIN + run * timedelta(days=DAYS)

    def orders() -> Iterator[tuple[str, bytes]]:
        for number in range(count):
            customer = customer_of(number)
            at = format_time(begin + timedelta(days=DAYS) * number / count)
            yield customer, order_value(f"d{run}-{number}", customer, completed_at=at)

    await publish(bench, count, orders())


async def earned_to_flagged(bench: Bench) -> float:
    """Milliseconds, the 99th of a hundred, from when an earning was due on the topic to when the
    list of anomalies shows its burst; open loop."""
    stack = bench.stack
    run = f"l{random.randrange(10**9)}"
    token = config.stack_secrets(stack.home).internal_token
    seen: list[float] = []
    watching: list[asyncio.Task[None]] = []
    async with (
        process(stack, "anomaly") as service,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        producer(stack) as sending,
    ):
        url = f"http://127.0.0.1:{service.port}/v1/stores/{STORE}/loyalty/anomalies"

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
        await open_loop(bench, send, rate=RATE, seconds=bench.sizes.loop_seconds + LONGER)
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
