"""The local stack: its errors, its status, and what it leaves running."""

import asyncio
import os
import re
import secrets
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from libs.contracts.groups import GROUPS
from libs.testing.eventually import eventually
from tests.support import Shop, Stack
from tools.stack import config, state


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for another stack, accessible to the user that PostgreSQL runs as."""
    path = Path("/tmp" if os.geteuid() == 0 else os.environ.get("TMPDIR", "/tmp"))
    path /= f"whale-test-{secrets.token_hex(4)}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def servers_of(stack: Stack) -> dict[str, Any]:
    """Settings that point to the servers of a running stack, so that no other is started."""
    addresses = stack.addresses
    return {
        "WHALE_KAFKA_URL": addresses.kafka,
        "WHALE_REDIS_URL": addresses.redis,
        "WHALE_POSTGRES_URL": addresses.postgres_admin,
    }


def one_sentence(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.parametrize("server", ["GATEWAY", "KAFKA", "POSTGRES", "REDIS", "METRICS"])
def test_a_port_in_use_is_reported_with_the_setting_that_moves_it_and_leaves_no_process(
    home: Path, server: str
) -> None:
    variable = f"WHALE_{server}_PORT"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        settings: dict[str, Any] = {variable: str(port)}
        other = Stack(home, **settings)
        outcome = other.run("up", check=False)
    assert outcome.returncode == 1
    error = one_sentence(outcome.stderr)
    assert f"These ports are in use: {port}" in error
    assert f"({variable})" in error
    assert re.search(rf"use other ports: {variable}=\d+ make up$", error)
    assert not state.is_running(home)
    assert other.run("status", check=False).returncode == 1


def test_an_external_server_that_does_not_respond_is_reported_in_one_sentence(home: Path) -> None:
    other = Stack(home, WHALE_KAFKA_URL="127.0.0.1:1")
    outcome = other.run("up", check=False)
    assert outcome.returncode == 1
    assert "address in WHALE_KAFKA_URL" in one_sentence(outcome.stderr)
    assert not state.is_running(home)


def test_all_invalid_settings_are_reported(home: Path) -> None:
    outcome = Stack(home, WHALE_GATEWAY_PORT="x", WHALE_REDIS_PORT="y").run("up", check=False)
    assert outcome.returncode == 1
    assert "WHALE_GATEWAY_PORT" in outcome.stderr
    assert "WHALE_REDIS_PORT" in outcome.stderr


def test_a_folder_that_cannot_be_created_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = Stack(tmp_path / "file" / "home").run("up", check=False)
    assert outcome.returncode == 1
    assert "WHALE_HOME" in one_sentence(outcome.stderr)


def test_a_service_that_cannot_start_is_reported_in_one_sentence_and_leaves_no_process(
    stack: Stack, home: Path
) -> None:
    other = Stack(home, **servers_of(stack))
    other.environment["WHALE_POSTGRES_URL"] = other.environment["WHALE_POSTGRES_URL"].replace(
        "/postgres", "/nowhere"
    )
    outcome = other.run("up", check=False)
    assert outcome.returncode == 1
    one_sentence(outcome.stderr)
    assert not state.is_running(home)


def test_a_stale_state_file_is_not_taken_for_a_running_stack(home: Path) -> None:
    """Its pid may belong to another process: here it is the test's own, which must survive."""
    home.mkdir()
    stale = state.State(phase="ready", pid=os.getpid(), gateway="http://127.0.0.1:1")
    state.write(home, stale)
    (home / "lock").touch()
    other = Stack(home)
    assert other.run("status", check=False).returncode == 1
    assert other.run("down").stdout.strip() == "The stack is not up."


def test_up_of_a_running_stack_says_that_it_is_up(stack: Stack) -> None:
    assert f"The stack is up at {stack.gateway}" in stack.run("up").stdout


def test_status_has_a_line_per_process_with_its_address(stack: Stack) -> None:
    processes, _, consumers = stack.run("status").stdout.partition("\n\n")
    lines = [line.split() for line in processes.splitlines()]
    expected = {"supervisor", "postgres", "redis", "kafka", *config.SERVICES}
    assert {line[0] for line in lines} == expected
    assert all(line[1] == "running" and psutil.pid_exists(int(line[2])) for line in lines)
    gateway = next(line for line in lines if line[0] == "gateway")
    assert gateway[3] == stack.gateway.removeprefix("http://")
    consumer_lines = {tuple(line.split()[:2]) for line in consumers.splitlines()[1:]}
    assert consumer_lines == {(group.name, topic) for group in GROUPS for topic in group.topics}


async def test_a_killed_service_is_restarted_and_keeps_its_data(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 500)
    before = shop.stack.process("earning").pid
    shop.stack.kill("earning")

    async def is_restarted() -> bool:
        process = shop.stack.process("earning")
        return process.pid != before and process.state == "running"

    response = await shop.earn("cust_1", 5)
    assert response.status in {201, 503}
    await eventually(is_restarted)

    async def status_is_served() -> None:
        status = await shop.status()
        assert status is not None
        assert status["points_balance"] >= 500

    await eventually(status_is_served)


async def test_while_a_service_is_down_the_response_is_503_with_retry_after(shop: Shop) -> None:
    await shop.program()
    shop.stack.kill("earning")
    response = await shop.earn("cust_1", 5, **{"Idempotency-Key": "k"})
    assert (response.status, response.json["code"]) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) >= 1

    async def posted() -> bool:
        return (await shop.earn("cust_1", 5, **{"Idempotency-Key": "k"})).status == 201

    await eventually(posted, every=0.3)
    assert (await shop.status())["points_balance"] == 5


async def test_without_redis_requests_are_served_without_rate_limits(shop: Shop) -> None:
    await shop.program()
    shop.stack.freeze("redis")
    try:
        responses = await asyncio.gather(
            *(shop.call("GET", "loyalty-programs") for _ in range(400))
        )
        assert {response.status for response in responses} == {200}
        log = (shop.stack.home / "logs" / "gateway.log").read_text()
        assert "rate_limits_not_enforced" in log
    finally:
        shop.stack.resume("redis")


def test_a_second_stack_shares_a_broker_and_ends_with_its_supervisor(
    stack: Stack, home: Path
) -> None:
    """When its supervisor is killed, all its processes end too, and it can be started again."""
    other = Stack(home, WHALE_KAFKA_URL=stack.addresses.kafka)
    other.up()
    try:
        current = state.read(home)
        assert current is not None
        names = {process.name for process in current.processes}
        assert names == {"postgres", "redis", *config.SERVICES}
        status = other.run("status").stdout
        assert re.search(rf"^kafka +running +- +{stack.addresses.kafka}$", status, re.MULTILINE)
        pids = [process.pid for process in current.processes if process.pid is not None]
        os.kill(current.pid, signal.SIGKILL)

        def all_ended() -> bool:
            return not any(_is_alive(pid) for pid in pids)

        asyncio.run(eventually(all_ended))
        assert other.run("status", check=False).returncode == 1
        other.up()
    finally:
        other.down()
    last = state.read(home)
    assert last is not None
    assert not any(_is_alive(process.pid) for process in last.processes if process.pid is not None)


def _is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_only_the_gateway_may_call_a_service(stack: Stack) -> None:
    address = stack.process("earning").address
    url = f"http://{address}/v1/stores/store_demo/loyalty-programs"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            assert response.status == 401
        async with session.get(f"http://{address}/health/live") as response:
            assert response.status == 200
