"""Every service is replaced under load as a cluster does it: once a new container is ready, the old one
is stopped. Callers lose nothing."""

import asyncio
import secrets
import signal
import time
from collections.abc import Sequence

import aiohttp
import pytest

from libs.testing.eventually import eventually
from tests.chaos.fleet import Caller, give_reward, total
from tests.containers.compose import POINTS, Compose, Load, Store, docker, inspect
from tools.stack import config
from tools.stack.config import SERVICES

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200)]

CALLERS = 3
EXIT_SECONDS = 15


async def test_a_rolling_update_of_everything_costs_no_caller_more_than_one_retry(
    compose: Compose, store: Store, api: aiohttp.ClientSession
) -> None:
    """`api` has created the store's program."""
    gateways = [_address(compose.inspect("gateway"))]
    load, done = Load(compose, store), asyncio.Event()
    async with aiohttp.ClientSession() as session:
        await give_reward(gateways[0], session, store.key)
        # Each with a key of its own, below the limit of its requests.
        callers = [
            Caller(gateways, session, compose.new_key(store.id), secrets.token_hex(4))
            for _ in range(CALLERS)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(load.publish(done))
                for caller in callers:
                    group.create_task(caller.work(done))
                for name in SERVICES:
                    await _replace(compose, name, gateways, callers)
                done.set()
        finally:
            # The gateway at the port that other tests use.
            await asyncio.to_thread(compose.up)
    longest = max(caller.longest_seconds for caller in callers)
    print(f"in all: {dict(total(callers))}, {load.orders:,} orders; the longest {longest:.2f} s")
    assert total(callers)["done"] > 100
    assert load.orders > 100
    await _books_become_exact(compose, store, callers, load)


async def _replace(
    compose: Compose, name: str, gateways: list[str], callers: Sequence[Caller]
) -> None:
    """Start a second container of a service and, once it is ready, stop the first one."""
    before = total(callers)
    (old,) = compose.containers(name)
    second = ("--detach", "--wait", "--no-deps", "--no-recreate", "--scale", f"{name}=2", name)
    started = time.monotonic()
    # Two gateways of one machine cannot publish the same port.
    port = str(config.free_port())
    await asyncio.to_thread(compose.run, "up", *second, WHALE_GATEWAY_PORT=port)
    ready = time.monotonic()
    (new,) = {*compose.containers(name)} - {old}
    if name == "gateway":
        gateways.append(_address(inspect(new)))
    await asyncio.to_thread(docker, "stop", old)
    stopped = time.monotonic()
    state = inspect(old)["State"]
    # It ended by the signal, after its work, and was neither killed nor cut off.
    assert state["ExitCode"] in {0, 128 + signal.SIGTERM}, (name, state)
    assert stopped - ready < EXIT_SECONDS
    if name == "gateway":
        gateways.pop(0)
    docker("rm", old)
    # Requests that the new container alone has to serve.
    await asyncio.sleep(2)
    print(
        f"{name}: ready after {ready - started:.1f} s, the old one stopped in {stopped - ready:.1f} s,"
        f" {dict(total(callers) - before)}"
    )


def _address(container: dict[str, dict[str, dict[str, dict[str, str]]]]) -> str:
    """The address of a container of the gateway in its network: a published port would accept
    connections also while the container does not."""
    (network,) = container["NetworkSettings"]["Networks"].values()
    return f"http://{network['IPAddress']}:8080"


async def _books_become_exact(
    compose: Compose, store: Store, callers: Sequence[Caller], load: Load
) -> None:
    of_store = f"WHERE store_id = '{store.id}'"
    entries = "FROM entries e JOIN accounts a ON a.id = e.account_id"
    earned_with_keys = (
        f"SELECT a.customer_id || ' ' || sum(e.points) {entries}"
        f" WHERE e.store_id = '{store.id}' AND e.reason = 'keyed' GROUP BY a.customer_id"
    )
    from_orders = f"SELECT count(*) FROM orders {of_store} AND state = 'counted'"
    balances = f"SELECT sum(balance) FROM accounts {of_store} AND customer_id ~ '^cust_[0-6]$'"
    debited = f"SELECT 'txn_' || id FROM entries {of_store} AND type = 'redeem' ORDER BY id"
    confirmed = (
        f"SELECT transaction_id FROM redemptions {of_store} AND status = 'confirmed' ORDER BY 1"
    )

    def are_exact() -> None:
        assert compose.query("earning", from_orders) == str(load.orders)
        assert compose.query("earning", balances) == str(POINTS * load.orders)
        assert compose.query("redemption", confirmed) == compose.query("earning", debited)

    await eventually(are_exact, within_seconds=60, every=1)
    assert set(compose.query("earning", earned_with_keys).splitlines()) == {
        f"{caller.customer} {caller.earned}" for caller in callers
    }
    assert "every balance follows from its entries" in compose.tools("verify")
