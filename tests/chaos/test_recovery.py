"""A fault of a part shows in the status, and the stack recovers by itself."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from libs.contracts.topics import ORDER_COMPLETED, POINTS_EARNED
from libs.testing.eventually import eventually
from tests.chaos.fragile_status import (
    NEEDS_ROOT,
    PROCESSES,
    TIMEOUT,
    read_lines,
    read_pids,
    read_state,
    wait_until_ready,
)
from tests.support import Shop, Stack

pytestmark = TIMEOUT


async def test_killed_processes_show_in_the_status_and_are_restarted(fragile_shop: Shop) -> None:
    await fragile_shop.program()
    await fragile_shop.earn("cust_1", 500)
    before = read_pids(fragile_shop.stack)
    for name in PROCESSES:
        fragile_shop.stack.kill(name)
    lines = await read_lines(fragile_shop.stack, ("earning", "gateway", "kafka"))
    for name in ("earning", "gateway", "kafka"):
        assert lines[name].state.startswith(("not ready: ", "restarting: ended by signal 9"))
    status = fragile_shop.stack.run("status", check=False)
    assert status.returncode == 1 or "not ready" not in status.stdout
    await wait_until_ready(fragile_shop.stack)
    after = read_pids(fragile_shop.stack)
    assert {name for name in PROCESSES if before[name] == after[name]} == set()
    assert (await fragile_shop.status())["points_balance"] == 500


async def test_frozen_processes_show_in_the_status_and_are_restarted(fragile_shop: Shop) -> None:
    frozen = ("earning", "kafka", "postgres")
    pids = read_pids(fragile_shop.stack)
    for name in frozen:
        fragile_shop.stack.freeze(name)
    lines = await read_lines(fragile_shop.stack, frozen)
    for name in frozen:
        assert "not ready: frozen by a signal: no response" in lines[name].state, lines[name]
        assert lines[name].pid == pids[name]
    await wait_until_ready(fragile_shop.stack)
    after = read_pids(fragile_shop.stack)
    assert {name for name in frozen if pids[name] == after[name]} == set()


async def test_a_deleted_topic_shows_in_the_status_is_recreated_and_consumed(
    fragile_shop: Shop,
) -> None:
    await fragile_shop.program(tiers=[])
    await fragile_shop.publish(fragile_shop.order("o1", total="1.00"))
    await fragile_shop.balance_becomes(10)
    supervisor = read_state(fragile_shop.stack).pid
    os.kill(supervisor, signal.SIGSTOP)
    try:
        await delete_topics(fragile_shop.stack, ORDER_COMPLETED, POINTS_EARNED)
        line = (await read_lines(fragile_shop.stack, ("kafka",)))["kafka"]
        assert line.state == f"not ready: missing topics: {ORDER_COMPLETED}, {POINTS_EARNED}"
    finally:
        os.kill(supervisor, signal.SIGCONT)
    await wait_until_ready(fragile_shop.stack)
    for _ in range(20):
        await fragile_shop.publish(fragile_shop.order("o2", total="1.00"))
        await asyncio.sleep(0.05)

    async def is_posted() -> None:
        status = await fragile_shop.status()
        assert status["points_balance"] == 20

    await eventually(is_posted, every=0.3)


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
async def test_a_full_disk_shows_in_the_status_and_the_stack_recovers(fragile_shop: Shop) -> None:
    await fragile_shop.program()
    await fragile_shop.earn("cust_1", 500)
    ballast = fragile_shop.stack.home / "ballast"
    fill(ballast)
    try:

        async def kafka_has_ended() -> None:
            await fragile_shop.earn("cust_1", 1)
            line = (await read_lines(fragile_shop.stack, ("kafka",)))["kafka"]
            assert "has ended" in line.state, line

        await eventually(kafka_has_ended, every=0.3)
        status = fragile_shop.stack.run("status", check=False)
        assert status.returncode == 1
        assert "MB left: free some space" in status.stdout
        assert "kafka       not ready" in status.stdout
    finally:
        ballast.unlink()
    await wait_until_ready(fragile_shop.stack)

    async def earns_again() -> None:
        assert (await fragile_shop.earn("cust_2", 5)).status == 201

    await eventually(earns_again, every=0.3)
    await fragile_shop.publish(fragile_shop.order("o1", customer_id="cust_3"))
    await fragile_shop.balance_becomes(500, "cust_3")
