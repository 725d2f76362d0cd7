"""The servers and processes that benchmarks run on."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from libs.contracts.topics import ORDER_COMPLETED
from libs.messaging.offsets import read_committed
from libs.testing.eventually import eventually
from tests.support import ROOT, Stack
from tools.stack import config, services
from tools.stack.config import free_port

STORE = "store_bench"
GROUP = "earning"


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


class Service(Struct, frozen=True):
    """A running process of a service."""

    port: int
    pid: int


@contextlib.asynccontextmanager
async def process(stack: Stack, service: str, **settings: str) -> AsyncIterator[Service]:
    """One process of a service, on a port of its own unless one is given; it is ready."""
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
        yield Service(port, running.pid)
    finally:
        running.send_signal(signal.SIGTERM)
        await running.wait()


def unlimited_gateway(stack: Stack, **urls: str) -> AbstractAsyncContextManager[Service]:
    """A gateway that accepts any rate."""
    return process(
        stack,
        "gateway",
        **urls,
        WHALE_RATE_LIMIT_PER_SECOND="1000000",
        WHALE_RATE_LIMIT_BURST="1000000",
    )


async def responds(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


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
