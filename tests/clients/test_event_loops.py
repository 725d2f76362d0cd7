"""One async client in one event loop after another, and in several at once."""

import asyncio
import concurrent.futures
import gc
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from tests.clients.drivers import KEY
from tests.clients.misbehaving import Misbehaving
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.errors import ClientClosed

TIMES = 3


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each event loop that anyio supports and that is installed."""
    if request.param == "trio":
        pytest.importorskip("trio", reason="trio is not installed")
    return str(request.param)


async def in_a_thread(work: Callable[[], Any]) -> Any:
    """What `work` returns, run beside this loop, which serves meanwhile. A connection that is left open
    is a warning when its loop is gone, and warnings are errors."""

    def run() -> Any:
        with warnings.catch_warnings():
            # What other tests have left is not this one's.
            warnings.simplefilter("ignore")
            gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                return work()
            finally:
                gc.collect()

    return await asyncio.to_thread(run)


def earn(whale: AsyncWhaleClient, *, times: int = 1) -> Callable[[], Awaitable[list[str]]]:
    async def call() -> list[str]:
        made = [
            await whale.loyalty.earn("cust_1", points=500, reason="Birthday bonus")
            for _ in range(times)
        ]
        return [one.id for one in made]

    return call


async def test_a_client_works_in_one_loop_after_another(server: Misbehaving, backend: str) -> None:
    whale = AsyncWhaleClient(KEY, base_url=server.url, max_retries=0)

    def work() -> list[list[str]]:
        return [anyio.run(earn(whale, times=2), backend=backend) for _ in range(TIMES)]

    assert len(await in_a_thread(work)) == TIMES
    assert len(server.effects) == len(server.seen) == 2 * TIMES


async def test_asyncio_run_three_times_as_scripts_do(server: Misbehaving) -> None:
    whale = AsyncWhaleClient(KEY, base_url=server.url, max_retries=0)

    async def call() -> str:
        return (await whale.loyalty.earn("cust_1", points=500, reason="Birthday bonus")).id

    def work() -> list[str]:
        return [asyncio.run(call()) for _ in range(TIMES)]

    assert await in_a_thread(work) == ["txn_0", "txn_1", "txn_2"]


async def test_a_client_works_in_several_loops_at_once(server: Misbehaving, backend: str) -> None:
    whale = AsyncWhaleClient(KEY, base_url=server.url, max_retries=0)

    def work() -> None:
        with concurrent.futures.ThreadPoolExecutor(TIMES) as threads:
            runs = [
                threads.submit(anyio.run, earn(whale, times=20), backend=backend)
                for _ in range(TIMES)
            ]
            assert all(len(run.result()) == 20 for run in runs)

    await in_a_thread(work)
    assert len(server.effects) == 20 * TIMES


async def test_the_connections_of_a_loop_are_shared_by_its_calls(server: Misbehaving) -> None:
    async with AsyncWhaleClient(KEY, base_url=server.url) as whale:
        for _ in range(TIMES):
            await earn(whale)()
    assert len(server.connections) == 1


async def test_a_client_that_is_closed_in_one_loop_is_closed_in_every_other(
    server: Misbehaving, backend: str
) -> None:
    whale = AsyncWhaleClient(KEY, base_url=server.url)
    await earn(whale)()

    async def close() -> None:
        await earn(whale)()
        await whale.close()

    await in_a_thread(lambda: anyio.run(close, backend=backend))
    with pytest.raises(ClientClosed):
        await earn(whale)()
    await whale.close()
    assert len(server.seen) == 2
