"""The stacks of the tests that damage them: without services, or on a small disk."""

import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from tests.chaos import bare
from tests.chaos.alone import new_store
from tests.conftest import running_containers, running_stack
from tests.servers import choice
from tests.support import Shop, Stack


@contextmanager
def running_bare_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL, Kafka and Redis without services."""
    own_servers = running_containers() if choice.uses_containers() else nullcontext()
    with (
        own_servers as containers,
        running_stack(tmp_path_factory, containers, WHALE_SERVICES="none") as stack,
    ):
        yield stack


@pytest.fixture(scope="session")
def bare_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The servers of `bare_stack`."""
    with running_bare_stack(tmp_path_factory) as stack:
        bare.keep_templates(stack)
        yield stack


@pytest.fixture(scope="module")
def bare_stack(bare_servers: Stack) -> Stack:
    """PostgreSQL, Kafka and Redis without services: the test starts and kills its own. The databases
    and topics are empty at the start of a test file."""
    bare.empty(bare_servers)
    return bare_servers


@pytest.fixture(scope="module")
def own_bare_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The same for a test that changes the servers themselves, which no other file uses afterwards."""
    with running_bare_stack(tmp_path_factory) as stack:
        yield stack


@pytest.fixture
async def bare_store(bare_stack: Stack) -> str:
    """The id of a new store with a program of ten points per dollar."""
    return await new_store(bare_stack)


@pytest.fixture(scope="module")
def fragile_stack() -> Iterator[Stack]:
    """A stack on a disk of 600 MB, which restarts processes that do not respond for 15 seconds: with
    less, busy cores would pass for frozen processes, and restarts make them busier."""
    home = Path("/tmp") / f"whale-test-{secrets.token_hex(4)}"
    home.mkdir()
    is_mounted = os.geteuid() == 0
    if is_mounted:
        options = ("-t", "tmpfs", "-o", "size=600m,mode=755", "tmpfs")
        subprocess.run(["mount", *options, str(home)], check=True)
    stack = Stack(home, WHALE_RESTART_AFTER_SECONDS="15")
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
        if is_mounted:
            # Lazily: a server may still be exiting, which keeps the disk busy for a moment.
            subprocess.run(["umount", "--lazy", str(home)], check=True)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def fragile_shop(fragile_stack: Stack) -> AsyncIterator[Shop]:
    """A new store on the fragile stack."""
    store_id = f"store_{secrets.token_hex(5)}"
    key = await fragile_stack.key(store_id)
    async with (
        AIOKafkaProducer(bootstrap_servers=fragile_stack.kafka) as producer,
        aiohttp.ClientSession() as session,
    ):
        yield Shop(fragile_stack, session, producer, store_id=store_id, key=key)
