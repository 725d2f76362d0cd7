"""Calling a service of several processes: which requests go to another one, and which may not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from libs.http_client.service_client import ServiceClient
from libs.kernel.errors import Unavailable
from libs.testing.eventually import eventually
from tools.stack.config import free_port

KEYED = {"idempotency-key": "k"}
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"


class Process:
    """A process of a service, which does with each request what `behave` says."""

    def __init__(self, behavior: str) -> None:
        self.behavior = behavior
        self.requests = 0
        self.url = f"http://127.0.0.1:{free_port()}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    self.requests += 1
                    if self.behavior == "hangs up":
                        break
                    if self.behavior == "hangs":
                        await asyncio.sleep(60)
                    if self.behavior == "breaks off":
                        writer.write(RESPONSE[:-1])
                        break
                    writer.write(RESPONSE)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def running(
    *behaviors: str, timeout_seconds: float = 60.0
) -> AsyncIterator[tuple[ServiceClient, list[Process]]]:
    """A client of processes that behave so; one that is `down` listens nowhere."""
    processes = [Process(one) for one in behaviors]
    client = ServiceClient(
        "test",
        [one.url for one in processes],
        internal_token="t",
        timeout_seconds=timeout_seconds,
    )
    async with contextlib.AsyncExitStack() as cleanup:
        for one in processes:
            if one.behavior != "down":
                port = int(one.url.rpartition(":")[2])
                server = await asyncio.start_server(one.serve, "127.0.0.1", port)
                cleanup.callback(server.close)
        await client.start()
        cleanup.push_async_callback(client.stop)
        yield client, processes


async def test_requests_rotate_over_the_processes() -> None:
    async with running("responds", "responds") as (client, processes):
        for _ in range(10):
            assert (await client.send("POST", "/", {})).body == b"ok"
        assert [one.requests for one in processes] == [5, 5]


async def test_a_request_that_no_process_accepted_goes_to_the_next_process() -> None:
    async with running("down", "responds") as (client, processes):
        for _ in range(10):
            assert (await client.send("POST", "/", {})).status == 200
        assert processes[1].requests == 10


async def test_a_process_that_restarts_within_the_pauses_is_used() -> None:
    async with running("down") as (client, (process,)):
        sending = asyncio.create_task(client.send("POST", "/", {}))
        # The first attempt has failed.
        await eventually(lambda: client._avoided_until != {}, every=0.001)
        port = int(process.url.rpartition(":")[2])
        async with await asyncio.start_server(process.serve, "127.0.0.1", port):
            assert (await sending).status == 200
            await client.stop()


@pytest.mark.parametrize("broken", ["hangs up", "breaks off"])
@pytest.mark.parametrize(
    ("method", "headers", "repeatable"),
    [
        pytest.param("GET", {}, False, id="a read"),
        pytest.param("POST", KEYED, False, id="a write with a key"),
        pytest.param("POST", {}, True, id="one that is recorded once"),
    ],
)
async def test_a_request_that_may_arrive_twice_goes_to_the_next_process_when_it_is_cut_off(
    broken: str, method: str, headers: dict[str, str], repeatable: bool
) -> None:
    async with running(broken, "responds") as (client, _):
        for _ in range(4):
            response = await client.send(method, "/", headers, repeatable=repeatable)
            assert response.status == 200


@pytest.mark.parametrize("broken", ["hangs up", "breaks off"])
async def test_a_write_without_a_key_that_may_have_arrived_is_not_resent(broken: str) -> None:
    async with running(broken, broken) as (client, processes):
        with pytest.raises(Unavailable) as failed:
            await client.send("POST", "/", {})
        assert failed.value.retry_after_seconds == 1
        assert sum(one.requests for one in processes) == 1


async def test_the_time_limit_holds_for_all_attempts_together() -> None:
    async with running("hangs", "hangs", timeout_seconds=1) as (client, processes):
        # Without the limit, each attempt would take a minute.
        async with asyncio.timeout(30):
            with pytest.raises(Unavailable):
                await client.send("GET", "/", {})
        assert sum(one.requests for one in processes) == 1


async def test_a_process_that_failed_is_tried_after_the_others_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running("hangs up", "responds") as (client, processes):
        # It failed less than a second ago, however long the requests take.
        monkeypatch.setattr("libs.http_client.service_client._AVOIDED_SECONDS", 600.0)
        for _ in range(10):
            await client.send("GET", "/", {})
        assert processes[0].requests <= 2
        assert processes[1].requests == 10
