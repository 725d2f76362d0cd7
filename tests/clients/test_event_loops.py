"""One async client in consecutive event loops, and in several concurrent ones."""

import asyncio
import concurrent.futures
import gc
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from tests.clients.drivers import KEY
from tests.clients.fault_server import FaultServer
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.errors import ClientClosed

TIMES = 3


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each event loop library that the async client supports."""
    return str(request.param)


async def in_a_thread(work: Callable[[], Any]) -> Any:
    """Run `work` in a thread while this loop runs the server, and return its result. A connection that
    is still open after its loop has ended causes a warning, and warnings are errors here."""

    def run() -> Any:
        with warnings.catch_warnings():
            # Collect the garbage of other tests first: its warnings are not about this test.
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
        transactions = [
            await whale.loyalty.earn("cust_1", points=500, reason="Birthday bonus")
            for _ in range(times)
        ]
        return [transaction.id for transaction in transactions]

    return call


async def test_a_client_works_in_consecutive_loops(server: FaultServer, backend: str) -> None:
    whale = AsyncWhaleClient(KEY, base_url=server.url, max_retries=0)

    def work() -> list[list[str]]:
        return [anyio.run(earn(whale, times=2), backend=backend) for _ in range(TIMES)]

    assert len(await in_a_thread(work)) == TIMES
    assert len(server.effects) == len(server.requests) == 2 * TIMES


async def test_a_client_works_in_consecutive_asyncio_runs(server: FaultServer) -> None:
    whale = AsyncWhaleClient(KEY, base_url=server.url, max_retries=0)

    async def call() -> str:
        return (await whale.loyalty.earn("cust_1", points=500, reason="Birthday bonus")).id

    def work() -> list[str]:
        return [asyncio.run(call()) for _ in range(TIMES)]

    assert await in_a_thread(work) == ["txn_0", "txn_1", "txn_2"]


async def test_a_client_works_in_concurrent_loops(server: FaultServer, backend: str) -> None:
    whale = AsyncWhaleClient(KEY, base_url=server.url, max_retries=0)

    run: Any = anyio.run

    def work() -> None:
        with concurrent.futures.ThreadPoolExecutor(TIMES) as threads:
            outcomes = [
                threads.submit(run, earn(whale, times=20), backend=backend) for _ in range(TIMES)
            ]
            assert all(len(outcome.result()) == 20 for outcome in outcomes)

    await in_a_thread(work)
    assert len(server.effects) == 20 * TIMES


async def test_calls_in_one_loop_share_a_connection(server: FaultServer) -> None:
    async with AsyncWhaleClient(KEY, base_url=server.url) as whale:
        for _ in range(TIMES):
            await earn(whale)()
    assert len(server.connections) == 1


async def test_closing_a_client_in_one_loop_closes_it_in_all_loops(
    server: FaultServer, backend: str
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
    assert len(server.requests) == 2
