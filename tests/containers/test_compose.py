"""docker-compose.yml on a real engine: from nothing to exact books, through kills, down and up again."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from libs.contracts.topics import ORDER_COMPLETED, record_key
from libs.testing.eventually import eventually
from tools.stack import config
from tools.stack.config import SERVICES

ROOT = Path(__file__).parents[2]
SERVERS = ("postgres", "redis", "kafka")
STORE = "store_containers"
PROGRAM = {
    "name": "One tier",
    "points_per_dollar": 10,
    "tiers": [{"name": "Bronze", "min_points": 0, "multiplier": 1.0}],
}
# Of an order of $50.00.
POINTS = 500


def _engine_is_missing() -> str | None:
    """Why there is no engine to test with."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    for command in ("info", "compose version"):
        outcome = subprocess.run(
            ["docker", *command.split()], capture_output=True, text=True, timeout=20, check=False
        )
        if outcome.returncode:
            return f"docker {command} fails: {outcome.stderr.strip()[:200]}"
    return None


pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200)]


class Compose:
    """A project of its own, on free ports, with images built from this working copy."""

    def __init__(self) -> None:
        self.gateway_port, self.kafka_port = config.free_ports(2)
        self._command = ["docker", "compose", "--project-name", f"whale-{secrets.token_hex(4)}"]
        self._command += ["--profile", "demo", "--profile", "tools"]
        self._environment = os.environ | {
            "WHALE_GATEWAY_PORT": str(self.gateway_port),
            "WHALE_KAFKA_PORT": str(self.kafka_port),
            "WHALE_VERSION": "test",
        }

    def run(self, *words: str) -> str:
        """The output of a command, which must succeed."""
        outcome = subprocess.run(
            [*self._command, *words],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert outcome.returncode == 0, f"{words}: {outcome.stdout[-2000:]}{outcome.stderr[-3000:]}"
        return outcome.stdout

    def up(self) -> None:
        """Start everything but the command line."""
        self.run("up", "--detach", "--wait", *SERVERS, *SERVICES, "demo-store")

    def tools(self, *words: str) -> str:
        return self.run("run", "--rm", "--no-deps", "--no-TTY", "tools", *words)

    def inspect(self, name: str) -> Any:
        """The state of a container, running or not."""
        identity = self.run("ps", "--all", "--quiet", name).strip()
        command = ["docker", "inspect", identity]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return json.loads(output)[0]

    def kill(self, name: str) -> None:
        """End a container's process as a crash would. A kill by the engine, which is what an ordinary
        user can do, would not be followed by a restart."""
        if os.geteuid() == 0:
            os.kill(self.inspect(name)["State"]["Pid"], signal.SIGKILL)
        else:
            self.run("kill", name)
            self.run("start", name)


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    if (reason := _engine_is_missing()) is not None:
        pytest.skip(f"needs a Docker engine: {reason}")
    running = Compose()
    try:
        running.run("build")
        running.up()
        yield running
    finally:
        running.run("down", "--volumes", "--timeout", "20")


@pytest.fixture(scope="module")
def key(compose: Compose) -> str:
    """The key of a new store, as `make key` prints it."""
    return compose.tools("key", "--store", STORE, "--scopes", "read,earn,manage").split()[-1]


@pytest.fixture
async def api(compose: Compose, key: str) -> AsyncIterator[aiohttp.ClientSession]:
    base = f"http://127.0.0.1:{compose.gateway_port}/v1/stores/me/"
    async with aiohttp.ClientSession(
        base, headers={"Authorization": f"Bearer {key}"}, raise_for_status=True
    ) as session:
        async with session.get("loyalty-programs") as response:
            if (await response.json())["total"] == 0:
                await session.post("loyalty-programs", json=PROGRAM)
        yield session


class Load:
    """A shop that publishes orders until it is stopped, each until Kafka has acknowledged it."""

    def __init__(self, compose: Compose) -> None:
        self._bootstrap = f"127.0.0.1:{compose.kafka_port}"
        self.orders = 0

    async def publish(self, stop: asyncio.Event) -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, request_timeout_ms=5_000
        ) as producer:
            while not stop.is_set():
                await self._publish_one(producer, self.orders)
                self.orders += 1
                await asyncio.sleep(0.05)

    async def _publish_one(self, producer: AIOKafkaProducer, number: int) -> None:
        customer = f"cust_{number % 7}"
        order = {
            "store_id": STORE,
            "order_id": f"order-{number}",
            "customer_id": customer,
            "total": "50.00",
            "currency": "USD",
            "completed_at": "2026-03-10T12:00:00Z",
        }
        value = json.dumps(order).encode()
        while True:
            with contextlib.suppress(KafkaError):
                await producer.send_and_wait(
                    ORDER_COMPLETED, value, key=record_key(STORE, customer)
                )
                return
            await asyncio.sleep(0.2)


async def points_outstanding(api: aiohttp.ClientSession) -> int:
    async with api.get("loyalty/summary?from=2026-03-10&to=2026-03-11") as response:
        return int((await response.json())["points_outstanding"])


async def test_the_containers_are_reached_as_the_documentation_says(
    compose: Compose, api: aiohttp.ClientSession
) -> None:
    status = compose.tools("status")
    for name in (*SERVERS, *SERVICES):
        assert any(line.split()[:2] == [name, "running"] for line in status.splitlines()), status
    key = {"Authorization": f"Bearer {config.DEMO_KEY}"}
    async with api.get("loyalty/rewards", headers=key) as response:
        assert (await response.json())["total"] == 4
    compose.tools("order", "--customer", "cust_1", "--total", "50.00")

    async def order_is_posted() -> None:
        async with api.get("loyalty/customers/cust_1", headers=key) as response:
            assert (await response.json())["points_balance"] == POINTS

    await eventually(order_is_posted, within_seconds=30)


async def test_the_books_are_exact_after_each_container_was_killed(
    compose: Compose, api: aiohttp.ClientSession
) -> None:
    load, stop = Load(compose), asyncio.Event()
    publishing = asyncio.create_task(load.publish(stop))
    try:
        for name in (*SERVICES, *SERVERS):
            before = compose.inspect(name)["State"]["StartedAt"]
            compose.kill(name)

            async def is_healthy_again(name: str = name, before: str = before) -> None:
                state = (await asyncio.to_thread(compose.inspect, name))["State"]
                assert state["StartedAt"] != before
                assert state["Health"]["Status"] == "healthy"

            await eventually(is_healthy_again, within_seconds=120, every=1)
    finally:
        stop.set()
        await publishing
    assert load.orders > 100

    async def books_are_exact() -> None:
        assert await points_outstanding(api) == POINTS * load.orders

    await eventually(books_are_exact, within_seconds=120, every=1)
    assert "every balance follows from its entries" in compose.tools("verify")


async def test_services_stop_in_time_and_the_data_is_there_after_down_and_up(
    compose: Compose, api: aiohttp.ClientSession
) -> None:
    points = await points_outstanding(api)
    load, stop = Load(compose), asyncio.Event()
    load.orders = 1_000_000
    publishing = asyncio.create_task(load.publish(stop))
    started = time.monotonic()
    await asyncio.to_thread(compose.run, "stop", *SERVICES)
    assert time.monotonic() - started < 20
    stop.set()
    await publishing
    for name in SERVICES:
        # It ended by the signal, after its work, and was neither killed nor cut off.
        assert compose.inspect(name)["State"]["ExitCode"] in {0, 128 + signal.SIGTERM}, name
    compose.run("down")
    compose.up()
    expected = points + POINTS * (load.orders - 1_000_000)

    async def everything_is_posted() -> None:
        assert await points_outstanding(api) == expected

    await eventually(everything_is_posted, within_seconds=60, every=1)


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_contains_its_service_and_a_user_without_rights(
    compose: Compose, service: str
) -> None:
    script = (
        "id -u; ls services; find / -xdev -writable -type d ! -path '/proc/*' ! -path '/dev/*'"
        " ! -path '/tmp' ! -path '/var/tmp' ! -path '/run/lock' 2>/dev/null || true"
    )
    command = ["docker", "run", "--rm", f"whale-loyalty/{service}:test", "sh", "-c", script]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert lines == ["10001", "__init__.py", "__pycache__", service]
