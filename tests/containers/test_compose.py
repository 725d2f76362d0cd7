"""docker-compose.yml on a real engine: from nothing to exact books, through kills, down and up again."""

import asyncio
import signal
import subprocess
import time

import aiohttp
import pytest

from libs.testing.eventually import eventually
from tests.containers.compose import POINTS, SERVERS, Compose, Load, Store, points_outstanding
from tools.stack import config
from tools.stack.config import SERVICES

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200)]


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
    # From this machine, as a shop does. Its customer is another one.
    load = Load(compose, Store(config.DEMO_STORE, config.DEMO_KEY), first=2)
    await asyncio.wait_for(load.publish_one(), timeout=30)

    async def orders_are_posted() -> None:
        for customer in ("cust_1", "cust_2"):
            async with api.get(f"loyalty/customers/{customer}", headers=key) as response:
                assert (await response.json())["points_balance"] == POINTS

    await eventually(orders_are_posted, within_seconds=30)


async def test_the_books_are_exact_after_each_container_was_killed(
    compose: Compose, store: Store, api: aiohttp.ClientSession
) -> None:
    load, stop = Load(compose, store), asyncio.Event()
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
    compose: Compose, store: Store, api: aiohttp.ClientSession
) -> None:
    points = await points_outstanding(api)
    load, stop = Load(compose, store, first=1_000_000), asyncio.Event()
    publishing = asyncio.create_task(load.publish(stop))
    started = time.monotonic()
    await asyncio.to_thread(compose.run, "stop", *SERVICES)
    assert time.monotonic() - started < 20
    stop.set()
    await publishing
    for name in SERVICES:
        # It ended by the signal, after its work, and was neither killed nor cut off.
        assert compose.inspect(name)["State"]["ExitCode"] in {0, 128 + signal.SIGTERM}, name
    compose.down()
    compose.up()
    expected = points + POINTS * load.orders

    async def everything_is_posted() -> None:
        assert await points_outstanding(api) == expected

    await eventually(everything_is_posted, within_seconds=60, every=1)


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_contains_its_service_and_a_user_without_rights(
    compose: Compose, service: str
) -> None:
    script = (
        "id -u; ls . services; find . -name migrations -o -name alembic -o -name testing -o -name 'whale-*';"
        " find / -xdev -writable -type d ! -path '/proc/*' ! -path '/dev/*'"
        " ! -path '/tmp' ! -path '/var/tmp' ! -path '/run/lock' 2>/dev/null || true"
    )
    command = ["docker", "run", "--rm", f"whale-loyalty/{service}:test", "sh", "-c", script]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    folders = ["docs", "libs", "services"] if service == "gateway" else ["libs", "services"]
    content = [".:", *folders, "services:", "__init__.py", "__pycache__", service]
    assert lines == ["10001", *content]
