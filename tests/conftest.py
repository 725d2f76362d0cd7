"""The real servers that tests run against: one stack of its own per session, on free ports."""

import asyncio
import itertools
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from libs.testing.eventually import eventually
from tests.support import Shop, Stack
from tools.stack import config, services


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, brought up as a user does, next to anything else that runs."""
    # PostgreSQL runs as another user where we are root, so the folder must be open to others.
    home = Path("/tmp" if os.geteuid() == 0 else tmp_path_factory.getbasetemp())
    home /= f"whale-test-{secrets.token_hex(4)}"
    running = Stack(home)
    try:
        running.up()
        yield running
    finally:
        running.down()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    """A store of the test's own, with a key that may do everything, on the running stack."""
    store_id = f"store_{secrets.token_hex(5)}"
    key = await stack.key(store_id)
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka)
    await producer.start()
    async with aiohttp.ClientSession() as session:
        yield Shop(stack, session, producer, store_id=store_id, key=key)
    await producer.stop()


@pytest.fixture
async def second_earning(stack: Stack) -> AsyncIterator[None]:
    """Another process of earning in addition to the stack's own, sharing the partitions with it."""
    secrets_ = config.stack_secrets(stack.home)
    port = config.free_port()
    settings = services.environment("earning", stack.addresses, secrets_)
    settings |= {"WHALE_HTTP_PORT": str(port), "WHALE_METRICS_PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.earning"),
        cwd=Path(__file__).parents[1],
        env=stack.environment | settings,
        stdout=asyncio.subprocess.DEVNULL,
    )
    await eventually(lambda: is_ready(port), within_seconds=20)
    yield
    process.terminate()
    await process.wait()


async def is_ready(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/health/ready"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


_numbers = itertools.count(1)


@pytest.fixture
def unique() -> str:
    """A word that no other test has."""
    return f"{secrets.token_hex(4)}{next(_numbers)}"
