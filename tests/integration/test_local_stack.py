"""The local stack: what it says and leaves when something is in its way."""

import asyncio
import os
import re
import secrets
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from libs.contracts.groups import GROUPS
from libs.testing.eventually import eventually
from tests.support import Shop, Stack
from tools.stack import config, state


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for another stack, open to the user that PostgreSQL runs as."""
    path = Path("/tmp" if os.geteuid() == 0 else os.environ.get("TMPDIR", "/tmp"))
    path /= f"whale-test-{secrets.token_hex(4)}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def on_servers_of(stack: Stack) -> dict[str, str]:
    """Settings that name the servers of a running stack, so that none is started."""
    where = stack.addresses
    return {
        "WHALE_KAFKA_URL": where.kafka,
        "WHALE_REDIS_URL": where.redis,
        "WHALE_POSTGRES_URL": where.postgres_admin,
    }


def one_sentence(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("WHALE_GATEWAY_PORT", "the gateway"),
        ("WHALE_KAFKA_PORT", "Kafka"),
        ("WHALE_POSTGRES_PORT", "PostgreSQL"),
        ("WHALE_REDIS_PORT", "Redis"),
    ],
)
def test_a_taken_port_is_one_sentence_and_leaves_nothing(
    home: Path, variable: str, name: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = Stack(home, **{variable: str(port)})
        outcome = other.run("up", check=False)
    assert outcome.returncode == 1
    said = one_sentence(outcome.stderr)
    assert f"Port {port}, which {name} needs, is taken" in said
    assert variable in said
    assert not state.is_running(home)
    assert other.run("status", check=False).returncode == 1


def test_a_named_server_that_does_not_answer_is_one_sentence(home: Path) -> None:
    other = Stack(home, WHALE_KAFKA_URL="127.0.0.1:1")
    outcome = other.run("up", check=False)
    assert outcome.returncode == 1
    assert "address in WHALE_KAFKA_URL" in one_sentence(outcome.stderr)
    assert not state.is_running(home)


def test_faulty_settings_are_all_named(home: Path) -> None:
    outcome = Stack(home, WHALE_GATEWAY_PORT="x", WHALE_REDIS_PORT="y").run("up", check=False)
    assert outcome.returncode == 1
    assert "WHALE_GATEWAY_PORT" in outcome.stderr
    assert "WHALE_REDIS_PORT" in outcome.stderr


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = Stack(tmp_path / "file" / "home").run("up", check=False)
    assert outcome.returncode == 1
    assert "WHALE_HOME" in one_sentence(outcome.stderr)


def test_a_service_that_cannot_start_is_one_sentence_and_leaves_nothing(
    stack: Stack, home: Path
) -> None:
    other = Stack(home, **on_servers_of(stack))
    other.environment["WHALE_POSTGRES_URL"] = other.environment["WHALE_POSTGRES_URL"].replace(
        "/postgres", "/nowhere"
    )
    outcome = other.run("up", check=False)
    assert outcome.returncode == 1
    one_sentence(outcome.stderr)
    assert not state.is_running(home)


def test_a_state_file_of_a_dead_stack_is_no_stack(home: Path) -> None:
    """Its pid may be anybody's by now: here it is ours, and it must survive."""
    home.mkdir()
    stale = state.State(phase="ready", pid=os.getpid(), gateway="http://127.0.0.1:1")
    state.write(home, stale)
    (home / "lock").touch()
    other = Stack(home)
    assert other.run("status", check=False).returncode == 1
    assert other.run("down").stdout.strip() == "The stack is not up."


def test_a_second_up_says_that_it_is_up(stack: Stack) -> None:
    assert f"The stack is up at {stack.gateway}" in stack.run("up").stdout


def test_status_has_a_line_per_process_with_its_address(stack: Stack) -> None:
    processes, _, consumers = stack.run("status").stdout.partition("\n\n")
    lines = [line.split() for line in processes.splitlines()]
    expected = {"supervisor", "postgres", "redis", "kafka", *config.SERVICES}
    assert {line[0] for line in lines} == expected
    assert all(line[1] == "running" and psutil.pid_exists(int(line[2])) for line in lines)
    gateway = next(line for line in lines if line[0] == "gateway")
    assert gateway[3] == stack.gateway.removeprefix("http://")
    found = {tuple(line.split()[:2]) for line in consumers.splitlines()[1:]}
    assert found == {(group.name, topic) for group in GROUPS for topic in group.topics}


async def test_a_killed_service_is_started_again_and_status_says_so(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 500)
    before = shop.stack.kill("earning")

    async def is_back() -> bool:
        process = shop.stack.process("earning")
        return process.pid != before and process.state == "running"

    away = await shop.earn("cust_1", 5)
    assert away.status in {201, 503}
    await eventually(is_back, within_seconds=20)

    async def answers_again() -> None:
        status = await shop.status()
        assert status is not None
        assert status["points_balance"] >= 500

    await eventually(answers_again, within_seconds=20)


async def test_while_a_service_is_away_the_answer_is_503_with_retry_after(shop: Shop) -> None:
    await shop.program()
    pid = shop.stack.process("earning").pid
    assert pid is not None
    shop.stack.kill("earning")
    answer = await shop.earn("cust_1", 5, **{"Idempotency-Key": "k"})
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1

    async def posted() -> bool:
        return (await shop.earn("cust_1", 5, **{"Idempotency-Key": "k"})).status == 201

    await eventually(posted, within_seconds=20, every=0.3)
    assert (await shop.status())["points_balance"] == 5


async def test_without_redis_requests_go_on_unlimited(shop: Shop) -> None:
    await shop.program()
    pid = shop.stack.kill("redis", signal.SIGSTOP)
    try:
        answers = await asyncio.gather(*(shop.call("GET", "loyalty-programs") for _ in range(400)))
        assert {answer.status for answer in answers} == {200}
        log = (shop.stack.home / "logs" / "gateway.log").read_text()
        assert "rate_limits_not_enforced" in log
    finally:
        os.kill(pid, signal.SIGCONT)


def test_two_stacks_on_the_same_servers_or_beside_each_other_and_no_process_left(
    stack: Stack, home: Path
) -> None:
    """A stack that starts none of the servers; killed without mercy, its services end with it."""
    other = Stack(home, WHALE_KAFKA_URL=stack.addresses.kafka)
    other.up()
    try:
        known = state.read(home)
        assert known is not None
        assert {one.name for one in known.processes} == {"postgres", "redis", *config.SERVICES}
        status = other.run("status").stdout
        assert re.search(rf"^kafka +running +- +{stack.addresses.kafka}$", status, re.MULTILINE)
        pids = [one.pid for one in known.processes if one.pid is not None]
        os.kill(known.pid, signal.SIGKILL)

        def all_ended() -> bool:
            return not any(_is_alive(pid) for pid in pids)

        asyncio.run(eventually(all_ended, within_seconds=20))
        assert other.run("status", check=False).returncode == 1
        other.up()
    finally:
        other.down()
    known = state.read(home)
    assert known is not None
    assert not any(_is_alive(one.pid) for one in known.processes if one.pid is not None)


def _is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_only_the_gateway_may_call_a_service(stack: Stack) -> None:
    address = stack.process("earning").address
    url = f"http://{address}/v1/stores/store_demo/loyalty-programs"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            assert answer.status == 401
        async with session.get(f"http://{address}/health/live") as answer:
            assert answer.status == 200
