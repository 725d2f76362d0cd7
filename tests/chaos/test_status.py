"""After any failure of a stack's parts, its status says what is wrong, and the stack recovers by itself.

The tests use a stack of their own, on a small disk that can be filled, with a short restart timeout.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from libs.contracts.topics import ORDER_COMPLETED, POINTS_EARNED
from libs.testing.eventually import eventually
from tests.support import Shop, Stack
from tools.stack import lag, report, state
from tools.stack.config import SERVICES
from tools.stack.health import SERVERS
from tools.stack.report import Line

PROCESSES = (*SERVERS, *SERVICES)
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def fragile() -> Iterator[Stack]:
    """A stack on a disk of 600 MB, which restarts processes that do not respond for five seconds."""
    home = Path("/tmp") / f"whale-test-{secrets.token_hex(4)}"
    home.mkdir()
    is_mounted = os.geteuid() == 0
    if is_mounted:
        options = ("-t", "tmpfs", "-o", "size=600m,mode=755", "tmpfs")
        subprocess.run(["mount", *options, str(home)], check=True)
    stack = Stack(home, WHALE_RESTART_AFTER_SECONDS="5")
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
        if is_mounted:
            subprocess.run(["umount", str(home)], check=True)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def shop(fragile: Stack) -> AsyncIterator[Shop]:
    """A new store for the test on this stack."""
    store_id = f"store_{secrets.token_hex(5)}"
    key = await fragile.key(store_id)
    async with (
        AIOKafkaProducer(bootstrap_servers=fragile.kafka) as producer,
        aiohttp.ClientSession() as session,
    ):
        yield Shop(fragile, session, producer, store_id=store_id, key=key)


def read_state(stack: Stack) -> state.State:
    current = state.read(stack.home)
    assert current is not None
    return current


async def read_lines(stack: Stack, names: Sequence[str] = PROCESSES) -> dict[str, Line]:
    """The lines of `make status` for these processes, without the time of starting the command."""
    current = read_state(stack)
    async with report.create_probe(current) as probe:
        return {line.name: line for line in await report.check(current, probe, only=names)}


async def wait_until_ready(stack: Stack, *, within_seconds: float = 120) -> None:
    """Wait until every process is ready by itself."""

    async def all_run() -> None:
        assert {
            name: line.state
            for name, line in (await read_lines(stack)).items()
            if line.state != "running"
        } == {}

    await eventually(all_run, within_seconds=within_seconds, every=0.5)


async def test_killed_processes_show_in_the_status_and_are_restarted(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 500)
    before = {process.name: process.pid for process in read_state(shop.stack).processes}
    for name in PROCESSES:
        shop.stack.kill(name)
    lines = await read_lines(shop.stack, ("earning", "gateway", "kafka"))
    for name in ("earning", "gateway", "kafka"):
        assert lines[name].state.startswith(("not ready: ", "restarting: ended by signal 9"))
    status = shop.stack.run("status", check=False)
    assert status.returncode == 1 or "not ready" not in status.stdout
    await wait_until_ready(shop.stack)
    after = {process.name: process.pid for process in read_state(shop.stack).processes}
    assert {name for name in PROCESSES if before[name] == after[name]} == set()
    assert (await shop.status())["points_balance"] == 500


async def test_frozen_processes_show_in_the_status_and_are_restarted(shop: Shop) -> None:
    frozen = ("earning", "kafka", "postgres")
    pids = {name: shop.stack.kill(name, signal.SIGSTOP) for name in frozen}
    lines = await read_lines(shop.stack, frozen)
    for name in frozen:
        assert "not ready: frozen by a signal: no response" in lines[name].state, lines[name]
        assert lines[name].pid == pids[name]
    await wait_until_ready(shop.stack)
    assert {shop.stack.process(name).pid for name in frozen}.isdisjoint(pids.values())


async def test_up_repairs_the_stack_while_the_supervisor_is_frozen(fragile: Stack) -> None:
    """While the supervisor itself is frozen, no process is restarted."""
    supervisor = read_state(fragile).pid
    os.kill(supervisor, signal.SIGSTOP)
    fragile.kill("earning")
    fragile.kill("redis", signal.SIGSTOP)
    status = fragile.run("status", check=False)
    assert status.returncode == 1
    processes = status.stdout.partition("\n\n")[0]
    states = {line.split()[0]: line for line in processes.splitlines()}
    assert "not ready: frozen by a signal" in states["supervisor"]
    assert "not ready: frozen by a signal" in states["redis"]
    assert "has ended" in states["earning"]
    assert "make up" in status.stdout
    repaired = fragile.run("up")
    assert "The supervisor was frozen" in repaired.stdout
    assert "Repaired after" in repaired.stdout
    assert fragile.run("status").returncode == 0
    assert read_state(fragile).pid == supervisor


async def test_restart_restarts_only_the_named_process(fragile: Stack) -> None:
    before = {process.name: process.pid for process in read_state(fragile).processes}
    outcome = fragile.run("restart", "earning")
    assert "Restarted and ready after" in outcome.stdout
    after = {process.name: process.pid for process in read_state(fragile).processes}
    assert {name for name in PROCESSES if before[name] != after[name]} == {"earning"}
    assert (await read_lines(fragile, ("earning",)))["earning"].is_ready
    unknown = fragile.run("restart", "earnings", check=False)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("There is no process earnings. Choose one of: ")


async def test_restart_without_a_name_restarts_all_services_and_no_server(fragile: Stack) -> None:
    before = {process.name: process.pid for process in read_state(fragile).processes}
    fragile.run("restart")
    after = {process.name: process.pid for process in read_state(fragile).processes}
    assert {name for name in PROCESSES if before[name] != after[name]} == set(SERVICES)


async def test_lag_and_dead_letters_show_in_the_status(shop: Shop) -> None:
    """The lag grows while the only member of the group is frozen, and returns to 0."""
    await shop.program(tiers=[])
    before = await orders_progress(shop.stack)
    pid = shop.stack.kill("earning", signal.SIGSTOP)
    await shop.publish_all([shop.order(f"o{n}", total="1.00") for n in range(30)])
    await shop.publish(b"no order")
    assert before.lag is not None
    assert (await orders_progress(shop.stack)).lag == before.lag + 31
    os.kill(pid, signal.SIGCONT)
    await shop.balance_becomes(300)

    async def is_a_dead_letter() -> None:
        now = await orders_progress(shop.stack)
        assert before.dead_letters is not None
        assert (now.lag, now.dead_letters) == (0, before.dead_letters + 1)

    await eventually(is_a_dead_letter, within_seconds=20, every=0.3)
    shop.stack.run("dead-letters", "drop", "--all", "--topic", ORDER_COMPLETED)
    assert (await orders_progress(shop.stack)).dead_letters == 0


async def orders_progress(stack: Stack) -> lag.ConsumerProgress:
    progress = await lag.read_progress(stack.kafka)
    return next(each for each in progress if each.group == "earning")


async def test_a_deleted_topic_shows_in_the_status_is_recreated_and_consumed(shop: Shop) -> None:
    await shop.program(tiers=[])
    await shop.publish(shop.order("o1", total="1.00"))
    await shop.balance_becomes(10)
    supervisor = read_state(shop.stack).pid
    os.kill(supervisor, signal.SIGSTOP)
    try:
        await delete_topics(shop.stack, ORDER_COMPLETED, POINTS_EARNED)
        line = (await read_lines(shop.stack, ("kafka",)))["kafka"]
        assert line.state == f"not ready: missing topics: {ORDER_COMPLETED}, {POINTS_EARNED}"
    finally:
        os.kill(supervisor, signal.SIGCONT)
    await wait_until_ready(shop.stack, within_seconds=30)
    for _ in range(20):
        await shop.publish(shop.order("o2", total="1.00"))
        await asyncio.sleep(0.05)

    async def is_posted() -> None:
        status = await shop.status()
        assert status["points_balance"] == 20

    await eventually(is_posted, within_seconds=60, every=0.3)


async def delete_topics(stack: Stack, *names: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()


def fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1_000_000))


@NEEDS_ROOT
async def test_a_full_disk_shows_in_the_status_and_the_stack_recovers(shop: Shop) -> None:
    await shop.program()
    await shop.earn("cust_1", 500)
    ballast = shop.stack.home / "ballast"
    fill(ballast)
    try:

        async def kafka_has_ended() -> None:
            await shop.earn("cust_1", 1)
            line = (await read_lines(shop.stack, ("kafka",)))["kafka"]
            assert "has ended" in line.state, line

        await eventually(kafka_has_ended, within_seconds=60, every=0.3)
        status = shop.stack.run("status", check=False)
        assert status.returncode == 1
        assert "MB left: free some space" in status.stdout
        assert "kafka       not ready" in status.stdout
    finally:
        ballast.unlink()
    await wait_until_ready(shop.stack)

    async def earns_again() -> None:
        assert (await shop.earn("cust_2", 5)).status == 201

    await eventually(earns_again, within_seconds=20, every=0.3)
    await shop.publish(shop.order("o1", customer_id="cust_3"))
    await shop.balance_becomes(500, "cust_3")
