"""From produced to visible, open loop: the clock of an order starts when it was due, not when sent."""

import asyncio
import json
import os
import random
import time
from collections.abc import Awaitable, Callable

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec import Struct

from libs.contracts.topics import ORDER_COMPLETED, record_key
from tests.bench.bench import Bench
from tests.bench.cpu import Cpu
from tests.bench.figures import Figure
from tests.bench.orders import order_value
from tests.bench.servers import STORE, Lag, process
from tests.support import Stack
from tools.stack import config

RATE = 1_000
# One order in so many is watched; each has a customer of its own, so that its first points show it.
SAMPLE = 40


class Found(Struct, frozen=True):
    """Seconds at the median and the 99th of a hundred, of so many watched; and the CPU time per
    order."""

    p50: float
    p99: float
    watched: int
    dropped: int = 0
    cpu: Cpu | None = None

    def milliseconds(self, name: str) -> Figure:
        """The percentile of that name."""
        return Figure(getattr(self, name) * 1_000, self.cpu)

    def __str__(self) -> str:
        cpu = "" if self.cpu is None else f" · {self.cpu} µs"
        p50, p99 = self.p50 * 1_000, self.p99 * 1_000
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {self.watched} watched{cpu}"


def summary(seconds: list[float], *, dropped: int = 0, cpu: Cpu | None = None) -> Found:
    ordered = sorted(seconds)
    return Found(
        ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], len(ordered), dropped, cpu
    )


async def open_loop(
    bench: Bench, send: Callable[[int, float], Awaitable[None]], *, rate: int = RATE, seconds: int
) -> None:
    """Send `rate` a second, no matter how the responses come."""
    started = time.perf_counter()
    with bench.display.step("an open loop", rate * seconds) as advance:
        for number in range(rate * seconds):
            due = started + number / rate
            delay = due - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            await send(number, due)
            if number % rate == 0:
                advance(number)


def producer(stack: Stack) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=stack.kafka, linger_ms=5)


async def produced_to_visible(bench: Bench) -> Found:
    """Orders produced to Kafka until GET status shows them."""
    stack, seconds = bench.stack, bench.sizes.loop_seconds
    run = f"l{random.randrange(10**9)}"
    token = config.stack_secrets(stack.home).internal_token
    seen: list[float] = []
    watching: list[asyncio.Task[None]] = []
    async with (
        process(stack, "earning") as service,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        producer(stack) as sending,
    ):
        base = f"http://127.0.0.1:{service.port}/v1/stores/{STORE}/loyalty/customers"

        async def watch(customer: str, due: float) -> None:
            while True:
                async with session.get(f"{base}/{customer}") as response:
                    await response.read()
                    if response.status == 200:
                        seen.append(time.perf_counter() - due)
                        return
                await asyncio.sleep(0.002)

        async def send(number: int, due: float) -> None:
            watched = number % SAMPLE == 0
            customer = f"{run}-w{number}" if watched else f"cust_{number % 5_000}"
            await sending.send(
                ORDER_COMPLETED,
                key=record_key(STORE, customer),
                value=order_value(f"{run}-{number}", customer),
            )
            if watched:
                watching.append(asyncio.create_task(watch(customer, due)))

        await asyncio.sleep(2)
        meter = bench.meter(service.pid)
        before = meter.read()
        await open_loop(bench, send, seconds=seconds)
        await asyncio.wait_for(asyncio.gather(*watching), 30)
        cpu = (meter.read() - before).per(RATE * seconds)
        async with Lag(stack) as remaining:
            while await remaining():
                await asyncio.sleep(0.1)
        connection = await asyncpg.connect(stack.database("earning"))
        posted = await connection.fetchval(
            "SELECT count(*) FROM orders WHERE store_id = $1 AND order_id LIKE $2",
            STORE,
            f"{run}-%",
        )
        await connection.close()
    return summary(seen[len(seen) // 10 :], dropped=RATE * seconds - posted, cpu=cpu)


async def produced_to_committed(bench: Bench) -> Found:
    """The limit: bare produce, consume, and one insert committed per poll. Its Python cannot be
    measured apart from the producer in the same process: the CPU time is that of both."""
    stack, seconds = bench.stack, bench.sizes.loop_seconds
    topic = f"bench.{random.randrange(10**9)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 6, 1)])
    await admin.close()
    connection = await asyncpg.connect(stack.database("earning", owner=True))
    await connection.execute("CREATE TABLE IF NOT EXISTS bare (body text)")
    due_of: dict[int, float] = {}
    seen: list[float] = []
    async with (
        AIOKafkaConsumer(
            topic,
            bootstrap_servers=stack.kafka,
            group_id=topic,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=10,
        ) as consumer,
        producer(stack) as sending,
    ):

        async def consume() -> None:
            done = 0
            while done < RATE * seconds:
                polled = await consumer.getmany(timeout_ms=10, max_records=2_000)
                values = [record.value for records in polled.values() for record in records]
                if not values:
                    continue
                await connection.execute(
                    "INSERT INTO bare SELECT * FROM unnest($1::text[])",
                    [value.decode() for value in values],
                )
                await consumer.commit()
                now = time.perf_counter()
                for value in values:
                    number = json.loads(value)["n"]
                    if number % SAMPLE == 0:
                        seen.append(now - due_of.pop(number))
                done += len(values)

        async def send(number: int, due: float) -> None:
            if number % SAMPLE == 0:
                due_of[number] = due
            value = json.dumps({"n": number, "order": "x" * 150}).encode()
            await sending.send(topic, key=b"%d" % (number % 5_000), value=value)

        consuming = asyncio.create_task(consume())
        await asyncio.sleep(2)
        meter = bench.meter(os.getpid())
        before = meter.read()
        await open_loop(bench, send, seconds=seconds)
        await asyncio.wait_for(consuming, 30)
        cpu = (meter.read() - before).per(RATE * seconds)
    await connection.execute("DROP TABLE bare")
    await connection.close()
    return summary(seen[len(seen) // 10 :], cpu=cpu)
