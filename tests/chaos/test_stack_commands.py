"""`make up`, `make restart` and `make status` on a stack with a fault or a backlog."""

import os
import signal

from libs.contracts.topics import ORDER_COMPLETED
from libs.testing.eventually import eventually
from tests.chaos.fragile_status import (
    PROCESSES,
    TIMEOUT,
    read_lines,
    read_pids,
    read_state,
)
from tests.support import Shop, Stack
from tools.stack import lag
from tools.stack.config import SERVICES

pytestmark = TIMEOUT


async def test_up_repairs_the_stack_while_the_supervisor_is_frozen(fragile_stack: Stack) -> None:
    """While the supervisor itself is frozen, no process is restarted."""
    supervisor = read_state(fragile_stack).pid
    os.kill(supervisor, signal.SIGSTOP)
    fragile_stack.kill("earning")
    fragile_stack.freeze("redis")
    status = fragile_stack.run("status", check=False)
    assert status.returncode == 1
    processes = status.stdout.partition("\n\n")[0]
    states = {line.split()[0]: line for line in processes.splitlines()}
    assert "not ready: frozen by a signal" in states["supervisor"]
    assert "not ready: frozen by a signal" in states["redis"]
    assert "has ended" in states["earning"]
    assert "make up" in status.stdout
    repaired = fragile_stack.run("up")
    assert "The supervisor was frozen" in repaired.stdout
    assert "Repaired after" in repaired.stdout
    assert fragile_stack.run("status").returncode == 0
    assert read_state(fragile_stack).pid == supervisor


async def test_restart_restarts_only_the_named_process(fragile_stack: Stack) -> None:
    before = read_pids(fragile_stack)
    outcome = fragile_stack.run("restart", "earning")
    assert "Restarted and ready after" in outcome.stdout
    after = read_pids(fragile_stack)
    assert {name for name in PROCESSES if before[name] != after[name]} == {"earning"}
    assert (await read_lines(fragile_stack, ("earning",)))["earning"].is_ready
    unknown = fragile_stack.run("restart", "earnings", check=False)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("There is no process earnings. Choose one of: ")


async def test_restart_without_a_name_restarts_all_services_and_no_server(
    fragile_stack: Stack,
) -> None:
    before = read_pids(fragile_stack)
    fragile_stack.run("restart")
    after = read_pids(fragile_stack)
    assert {name for name in PROCESSES if before[name] != after[name]} == set(SERVICES)


async def test_lag_and_dead_letters_show_in_the_status(fragile_shop: Shop) -> None:
    """The lag grows while the only member of the group is frozen, and returns to 0."""
    await fragile_shop.program(tiers=[])
    before = await orders_progress(fragile_shop.stack)
    fragile_shop.stack.freeze("earning")
    await fragile_shop.publish_all([fragile_shop.order(f"o{n}", total="1.00") for n in range(30)])
    await fragile_shop.publish(b"no order")
    assert before.lag is not None
    assert (await orders_progress(fragile_shop.stack)).lag == before.lag + 31
    fragile_shop.stack.resume("earning")
    await fragile_shop.balance_becomes(300)

    async def is_a_dead_letter() -> None:
        now = await orders_progress(fragile_shop.stack)
        assert before.dead_letters is not None
        assert (now.lag, now.dead_letters) == (0, before.dead_letters + 1)

    await eventually(is_a_dead_letter, every=0.3)
    fragile_shop.stack.run("dead-letters", "drop", "--all", "--topic", ORDER_COMPLETED)
    assert (await orders_progress(fragile_shop.stack)).dead_letters == 0


async def orders_progress(stack: Stack) -> lag.ConsumerProgress:
    progress = await lag.read_progress(stack.kafka)
    return next(each for each in progress if each.group == "earning")
