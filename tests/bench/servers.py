"""The servers and processes that benchmarks run on."""

import asyncio
import contextlib
import itertools
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs.contracts.topics import ORDER_COMPLETED, record_key
from libs.messaging.progress import read_committed
from libs.testing.eventually import eventually
from tests.support import ROOT, Stack
from tools.stack import config, services
from tools.stack.config import free_port

STORE = "store_bench"
GROUP = "earning"
_numbers = itertools.count()


@contextlib.contextmanager
def servers() -> Iterator[Stack]:
    """PostgreSQL, Kafka and Redis alone, with databases and topics."""
    base = Path("/tmp" if os.geteuid() == 0 else os.environ.get("TMPDIR", "/tmp"))
    stack = Stack(
        base / f"whale-bench-{secrets.token_hex(4)}",
        WHALE_SERVICES="none",
        WHALE_KAFKA_JAVA_OPTIONS="-server",
    )
    stack.up()
    try:
        yield stack
    finally:
        stack.down()
        shutil.rmtree(stack.home, ignore_errors=True)


@contextlib.asynccontextmanager
async def process(stack: Stack, service: str, **settings: str) -> AsyncIterator[int]:
    """One process of a service, on a port of its own unless one is given; responds the port once it
    is ready."""
    port = int(settings.get("WHALE_HTTP_PORT", free_port()))
    secrets_ = config.stack_secrets(stack.home)
    environment = services.environment(service, stack.addresses, secrets_)
    environment |= {"WHALE_HTTP_PORT": str(port), "WHALE_METRICS_PORT": "0"} | settings
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}"),
        cwd=ROOT,
        env=stack.environment | environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await eventually(
            lambda: responds(f"http://127.0.0.1:{port}/health/live"), within_seconds=30
        )
        yield port
    finally:
        running.send_signal(signal.SIGTERM)
        await running.wait()


async def responds(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def publish_orders(stack: Stack, count: int, *, customers: int) -> None:
    """A backlog of orders nobody has seen, over so many customers."""
    run = next(_numbers)
    async with AIOKafkaProducer(
        bootstrap_servers=stack.kafka, linger_ms=20, max_batch_size=262_144
    ) as producer:
        for start in range(0, count, 10_000):
            sent = [
                await producer.send(
                    ORDER_COMPLETED,
                    key=record_key(STORE, f"cust_{number * 7919 % customers}"),
                    value=order_value(f"{run}-{number}", f"cust_{number * 7919 % customers}"),
                )
                for number in range(start, min(start + 10_000, count))
            ]
            await asyncio.gather(*sent)


def order_value(
    order_id: str, customer_id: str, *, completed_at: str = "2026-03-10T12:00:00Z"
) -> bytes:
    return msgspec.json.encode(
        {
            "store_id": STORE,
            "order_id": order_id,
            "order_number": order_id,
            "customer_id": customer_id,
            "total": "19.99",
            "currency": "USD",
            "completed_at": completed_at,
        }
    )


class Lag:
    """How much of a topic, as it is on entering, a group has not committed yet; as a rule of the
    orders' topic and earning."""

    def __init__(self, stack: Stack, *, topic: str = ORDER_COMPLETED, group: str = GROUP) -> None:
        self._topic = topic
        self._group = group
        self._admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
        self._kafka = stack.kafka
        self._ends: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> "Lag":
        await self._admin.start()
        async with AIOKafkaConsumer(self._topic, bootstrap_servers=self._kafka) as consumer:
            places = [
                TopicPartition(self._topic, one)
                for one in consumer.partitions_for_topic(self._topic) or ()
            ]
            self._ends = await consumer.end_offsets(places)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()

    async def __call__(self) -> int:
        committed = await read_committed(self._admin, self._group)
        done = {place: max(meta.offset, 0) for place, meta in committed.items()}
        return sum(end - done.get(place, 0) for place, end in self._ends.items())


async def steady_rate(remaining: Lag, total: int) -> float:
    """Items a second between a tenth and nine tenths of `total`: without start and end."""
    first: tuple[float, int] | None = None
    while (now_left := await remaining()) > total // 10:
        done = total - now_left
        if done >= total // 10:
            now = (time.perf_counter(), done)
            first = first or now
        await asyncio.sleep(0.1)
    end = (time.perf_counter(), total - now_left)
    assert first is not None
    while await remaining() > 0:
        await asyncio.sleep(0.1)
    return (end[1] - first[1]) / (end[0] - first[0])
