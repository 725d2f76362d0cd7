"""Kept connections: what is read from one, when it is used again, and what is never sent on one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.http_client.connections import (
    ConnectionBroken,
    ConnectionPool,
    NotConnected,
    ServiceResponse,
)
from libs.testing.eventually import eventually
from tools.stack.config import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Process:
    """Sends `parts` in response to each request, each part in a packet of its own, and then closes
    the connection where `closes` says so."""

    def __init__(self, *parts: bytes, closes: bool = False) -> None:
        self.parts = parts
        self.closes = closes
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.rpartition(b"Content-Length: ")[2])
                    self.requests.append(head + await reader.readexactly(length))
                    for part in self.parts:
                        writer.write(part)
                        await writer.drain()
                        await asyncio.sleep(0.005)
                    if self.closes:
                        break
        finally:
            self.open -= 1
            writer.close()


@contextlib.asynccontextmanager
async def pool_of(process: Process, *headers: bytes) -> AsyncIterator[ConnectionPool]:
    server = await asyncio.start_server(process.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = ConnectionPool(f"http://127.0.0.1:{port}", response_headers=frozenset(headers))
    try:
        yield pool
    finally:
        pool.close()
        server.close()


async def has_noticed_the_end(pool: ConnectionPool) -> None:
    """Wait until the pool's idle connections are closed."""
    await eventually(lambda: not any(one.is_open for one in pool._idle))


async def get(pool: ConnectionPool, method: str = "GET", body: bytes = b"") -> ServiceResponse:
    return await pool.send(method, "/a?b=c", {"X-One": "1"}, body, timeout_seconds=60)


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        pytest.param([OK], b"ok", id="whole"),
        pytest.param([OK[i : i + 1] for i in range(len(OK))], b"ok", id="byte by byte"),
        pytest.param(
            [
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n",
                b"1\r\nk\r\n0\r\n\r\n",
            ],
            b"ok",
            id="chunked",
        ),
        pytest.param([b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + OK], b"ok", id="after a hint"),
        pytest.param([b"HTTP/1.1 204 No Content\r\n\r\n"], b"", id="without a body"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n", b"x" * 3_000_000],
            b"x" * 3_000_000,
            id="large",
        ),
    ],
)
async def test_a_connection_is_kept_after_a_complete_response(
    parts: list[bytes], body: bytes
) -> None:
    process = Process(*parts)
    async with pool_of(process) as pool:
        assert [(await get(pool)).body for _ in range(3)] == [body] * 3
        assert process.connections == 1


async def test_a_request_has_one_length_and_the_headers_of_the_caller() -> None:
    process = Process(OK)
    async with pool_of(process) as pool:
        await get(pool, "POST", b"body\r\n\r\n")
        (request,) = process.requests
        head, _, body = request.partition(b"\r\n\r\n")
        assert head.split(b"\r\n") == [
            b"POST /a?b=c HTTP/1.1",
            f"Host: {pool.url.removeprefix('http://')}".encode(),
            b"X-One: 1",
            b"Content-Length: 8",
        ]
        assert body == b"body\r\n\r\n"


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        pytest.param("/", {"X-One": "1\r\nX-Two: 2"}, id="a line break in a header"),
        pytest.param("/", {"X-One": "1\nX-Two: 2"}, id="a line feed"),
        pytest.param("/", {"X-One": "1\rX-Two: 2"}, id="a carriage return"),
        pytest.param("/ HTTP/1.1\r\nX-Two: 2", {}, id="a line break in the target"),
        pytest.param("/ HTTP/1.1", {}, id="a blank in the target"),
        pytest.param("/", {"content-length": "0"}, id="a second length"),
        pytest.param("/", {"Transfer-Encoding": "chunked"}, id="a second framing"),
    ],
)
async def test_what_would_change_where_a_request_ends_is_not_sent(
    target: str, headers: dict[str, str]
) -> None:
    process = Process(OK)
    async with pool_of(process) as pool:
        with pytest.raises(ValueError, match=r"caller|contains"):
            await pool.send("POST", target, headers, b"body", timeout_seconds=60)
        assert process.connections == 0


async def test_a_response_has_the_named_headers_of_its_own_head() -> None:
    process = Process(
        b"HTTP/1.1 103 Early Hints\r\nAllow: HINT\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nALLOW: GET \r\nX-Other: 1\r\nallow: POST\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nAllow: TRAILER\r\n\r\n"
    )
    async with pool_of(process, b"allow") as pool:
        assert (await get(pool)).headers == [(b"allow", b"GET"), (b"allow", b"POST")]


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(OK + b"HTTP/1.1 200 OK\r\n", id="more than one response"),
        pytest.param(OK + b"H", id="one more byte"),
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), id="close"),
        pytest.param(OK.replace(b"1.1", b"1.0"), id="HTTP/1.0"),
    ],
)
async def test_a_connection_is_not_used_again_where_the_next_response_would_be_in_doubt(
    response: bytes,
) -> None:
    process = Process(response)
    async with pool_of(process) as pool:
        for _ in range(2):
            assert (await get(pool)).body == b"ok"
        assert process.connections == 2


async def test_a_response_that_arrives_without_a_request_is_nobodys() -> None:
    process = Process(OK, OK.replace(b"ok", b"no"))
    async with pool_of(process) as pool:
        for _ in range(3):
            assert (await get(pool)).body == b"ok"
            await has_noticed_the_end(pool)
        assert process.connections == 3


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(OK[:-1], id="cut short"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nok", id="its end would be that of the connection"),
        pytest.param(
            OK.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"), id="two ends"
        ),
        pytest.param(OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"), id="two lengths"),
        pytest.param(
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="101"
        ),
        pytest.param(b"not HTTP\r\n\r\n", id="not HTTP"),
    ],
)
async def test_an_incomplete_or_ambiguous_response_is_none(
    response: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with pool_of(Process(response, closes=True)) as pool:
        with pytest.raises(ConnectionBroken):
            await get(pool)
    # The event loop would log it, if it had to close the connection.
    assert "Fatal error" not in caplog.text


async def test_the_response_to_head_has_no_body() -> None:
    async with pool_of(Process(OK[:-2]), b"content-length") as pool:
        for _ in range(2):
            response = await get(pool, "HEAD")
            assert (response.body, response.headers) == (b"", [(b"content-length", b"2")])


async def test_the_connection_of_a_cancelled_request_is_closed() -> None:
    process = Process(OK[:-2])
    async with pool_of(process) as pool:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await pool.send("GET", "/", {}, b"", timeout_seconds=60)
        assert process.connections == 1
        await eventually(lambda: process.open == 0)
        process.parts = (OK,)
        assert (await get(pool)).body == b"ok"


async def test_the_timer_of_a_request_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later it would close the connection during another request."""
    loop = asyncio.get_running_loop()
    call_later = loop.call_later
    timers: dict[float, asyncio.TimerHandle] = {}

    def keep(delay: float, *arguments: Any) -> asyncio.TimerHandle:
        timers[delay] = call_later(delay, *arguments)
        return timers[delay]

    process = Process(OK)
    async with pool_of(process) as pool:
        await get(pool)
        monkeypatch.setattr(loop, "call_later", keep)
        await get(pool)
    assert process.connections == 1
    assert timers[60].cancelled()


async def test_a_request_on_a_kept_connection_ends_in_time_and_closes_it() -> None:
    process = Process(OK)
    async with pool_of(process) as pool:
        await get(pool)
        process.parts = (OK[:-2],)
        with pytest.raises(TimeoutError):
            await pool.send("GET", "/", {}, b"", timeout_seconds=0.5)
        assert process.connections == 1
        await eventually(lambda: process.open == 0)
        process.parts = (OK,)
        assert (await get(pool)).body == b"ok"


async def test_a_connection_that_was_closed_while_idle_is_not_used() -> None:
    process = Process(OK, closes=True)
    async with pool_of(process) as pool:
        for _ in range(2):
            await get(pool)
            await has_noticed_the_end(pool)
        assert process.connections == 2


async def test_a_connection_that_was_idle_for_long_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("libs.http_client.connections._KEEP_SECONDS", 0.01)
    process = Process(OK)
    async with pool_of(process) as pool:
        for _ in range(2):
            await get(pool)
            await asyncio.sleep(0.05)
        assert process.connections == 2


async def test_closing_a_pool_closes_each_connection_as_soon_as_it_is_idle() -> None:
    process = Process(*[OK[i : i + 1] for i in range(len(OK))])
    async with pool_of(process) as pool:
        await get(pool)
        running = [asyncio.create_task(get(pool)) for _ in range(2)]
        await eventually(lambda: process.open == 2)
        await running.pop()
        pool.close()
        assert [(await task).body for task in running] == [b"ok"]
        await eventually(lambda: process.open == 0)


async def test_connections_are_shared_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.http_client.connections._CONNECTIONS", 3)
    process = Process(OK)
    async with pool_of(process) as pool:
        responses = await asyncio.gather(*(get(pool) for _ in range(20)))
        assert {response.body for response in responses} == {b"ok"}
        assert process.connections == 3


async def test_a_process_that_does_not_listen_is_not_connected() -> None:
    pool = ConnectionPool(f"http://127.0.0.1:{free_port()}", response_headers=frozenset())
    with pytest.raises(NotConnected):
        await get(pool)


async def test_a_connection_that_is_not_accepted_in_time_is_not_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def forever(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("libs.http_client.connections._CONNECT_SECONDS", 0.02)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", forever)
    pool = ConnectionPool("http://127.0.0.1:1", response_headers=frozenset())
    with pytest.raises(NotConnected):
        await get(pool)
    # The time of the request itself is no reason to send it to another process.
    monkeypatch.setattr("libs.http_client.connections._CONNECT_SECONDS", 60)
    with pytest.raises(TimeoutError):
        await pool.send("GET", "/", {}, b"", timeout_seconds=0.02)
