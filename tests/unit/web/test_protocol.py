"""What a peer may send and how slowly, on real sockets with limits that a test can wait for."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import uvicorn
from uvicorn.server import ServerState

from libs.testing.eventually import eventually
from libs.web.connections import Connections, Limits, mark_authenticated
from libs.web.protocol import LimitedProtocol

KIB = 1024
HOST = b"Host: test\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST


class Server:
    """An app behind the protocol: it returns the headers and the body that it saw."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.port = 0
        self.events: list[str] = []
        self.released = asyncio.Event()
        self.peers: list[Peer] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        if headers.get(b"authorization") == b"known":
            mark_authenticated(scope["state"])
        body = b""
        if scope["path"] != "/deaf":
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.events.append("disconnect")
                    return
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
        if scope["path"] == "/wait":
            await self.released.wait()
        seen = {"headers": sorted(name.decode() for name in headers), "body": len(body)}
        answer = b"x" * 20_000_000 if scope["path"] == "/large" else json.dumps(seen).encode()
        length = str(len(answer)).encode()
        start = {"status": 200, "headers": [(b"content-length", length)]}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": answer})
        self.events.append("answered")


@contextlib.asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[Server]:
    chosen = msgspec.structs.replace(Limits(), **limits)
    app = Server(chosen)
    config = uvicorn.Config(
        app, http="httptools", lifespan="off", access_log=False, log_config=None
    )
    config.load()
    registry = Connections(chosen)
    state = ServerState()
    made = await asyncio.get_running_loop().create_server(
        lambda: LimitedProtocol(config, state, {}, registry=registry), "127.0.0.1", 0
    )
    app.port = made.sockets[0].getsockname()[1]
    try:
        yield app
    finally:
        app.released.set()
        made.close()
        for connection in list(state.connections):
            connection.transport.abort()  # type: ignore[union-attr]
        for peer in app.peers:
            await peer.close()


class Peer:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def response(self) -> tuple[int, dict[str, Any]]:
        """The next response: its status, and its body as JSON."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode().lower().split("\r\n")
            length = next(one for one in lines if one.startswith("content-length:"))
            body = await self.reader.readexactly(int(length.partition(":")[2]))
        return int(lines[0].split()[1]), json.loads(body)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def is_closed(self) -> bool:
        """Whether the server ends the connection; what it still sends is read."""
        try:
            async with asyncio.timeout(5):
                await self.reader.read()
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


async def connect(server: Server) -> Peer:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    peer = Peer(reader, writer)
    server.peers.append(peer)
    return peer


async def exchange(server: Server, *parts: bytes) -> tuple[int, dict[str, Any]]:
    peer = await connect(server)
    await peer.send(*parts)
    return await peer.response()


def header(size: int) -> bytes:
    """A header of `size` bytes."""
    return b"X-Big: " + b"x" * (size - 9) + b"\r\n"


async def test_headers_up_to_the_limits_are_read() -> None:
    async with serving() as server:
        many = b"".join(b"X-%d: y\r\n" % number for number in range(99))
        assert (await exchange(server, GET, many, b"\r\n"))[0] == 200
        assert (await exchange(server, GET, header(31 * KIB), b"\r\n"))[0] == 200


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([GET, header(33 * KIB), b"\r\n"], id="one large header"),
        pytest.param([GET, *[header(KIB)] * 40, b"\r\n"], id="many headers"),
        pytest.param([GET, b"X-Big: " + b"x" * 40 * KIB], id="a header without an end"),
        pytest.param([GET, b"X-Big: ", *[b"x" * KIB] * 40], id="a header that never ends"),
        pytest.param([GET, b"X" * 40 * KIB], id="a name without an end"),
        pytest.param([b"GET /" + b"x" * 33 * KIB + b" HTTP/1.1\r\n", HOST, b"\r\n"], id="a path"),
        pytest.param([GET, *[b"a: b\r\n"] * 100, b"\r\n"], id="101 headers"),
        pytest.param([b"\r\n" * 20 * KIB], id="nothing but empty lines"),
    ],
)
async def test_headers_over_a_limit_are_431(parts: list[bytes]) -> None:
    async with serving() as server:
        peer = await connect(server)
        await peer.send(*parts)
        status, problem = await peer.response()
        assert (status, problem["code"]) == (431, "headers_too_large")
        assert await peer.is_closed()
        assert server.events == []


async def test_who_sends_200_mb_of_headers_gets_431_and_costs_no_memory() -> None:
    async with serving() as server:
        peer = await connect(server)
        peer.writer.write(GET)

        async def flood() -> None:
            for _ in range(200):
                await peer.send(b"X-Big: " + b"x" * 1_000_000 + b"\r\n")

        with pytest.raises(ConnectionError):
            await flood()


async def test_headers_that_take_too_long_are_408() -> None:
    async with serving(header_seconds=0.3) as server:
        peer = await connect(server)
        await peer.send(GET)
        status, problem = await peer.response()
        assert (status, problem["code"]) == (408, "request_timeout")
        assert await peer.is_closed()


async def test_a_trickle_of_headers_wins_no_time() -> None:
    async with serving(header_seconds=0.5) as server:
        peer = await connect(server)
        await peer.send(GET)
        reading = asyncio.create_task(peer.response())
        started = asyncio.get_running_loop().time()
        while not reading.done():
            await peer.send(b"a: b\r\n")
            await asyncio.sleep(0.05)
            assert asyncio.get_running_loop().time() - started < 5
        assert (await reading)[0] == 408


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_a_connection_that_asks_nothing_is_closed_without_a_word(sent: bytes) -> None:
    async with serving(header_seconds=0.3) as server:
        peer = await connect(server)
        await peer.send(sent)
        async with asyncio.timeout(5):
            assert await peer.reader.read() == b""


POST = b"POST / HTTP/1.1\r\n" + HOST


async def test_a_body_that_takes_too_long_is_408_and_the_app_sees_it_end() -> None:
    async with serving(body_seconds=0.3) as server:
        peer = await connect(server)
        await peer.send(POST + b"Content-Length: 10\r\n\r\n12345")
        status, problem = await peer.response()
        assert (status, problem["code"]) == (408, "request_timeout")
        await eventually(lambda: server.events == ["disconnect"], within_seconds=1.5)


async def test_a_body_below_the_least_rate_is_408_and_one_above_is_read() -> None:
    async def upload(server: Server, pause: float) -> int:
        peer = await connect(server)
        await peer.send(POST + b"Content-Length: 30\r\n\r\n")
        reading = asyncio.create_task(peer.response())
        for _ in range(30):
            if reading.done():
                break
            await peer.send(b"x")
            await asyncio.sleep(pause)
        return (await reading)[0]

    async with serving(body_seconds=0.4, least_bytes_per_second=10) as server:
        assert await upload(server, 0.5) == 408
        assert await upload(server, 0.05) == 200


async def test_no_time_runs_while_we_do_not_read() -> None:
    async with serving(body_seconds=0.3) as server:
        peer = await connect(server)
        await peer.send(b"POST /deaf HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\n12345")
        assert (await peer.response())[0] == 200


async def test_time_between_requests_belongs_to_the_peer() -> None:
    async with serving(header_seconds=0.3, body_seconds=0.3) as server:
        peer = await connect(server)
        for _ in range(3):
            await peer.send(POST + b"Content-Length: 2\r\n\r\nok")
            assert (await peer.response())[1]["body"] == 2
            await asyncio.sleep(1.2)


async def test_trailers_are_no_headers() -> None:
    async with serving() as server:
        _, seen = await exchange(
            server,
            POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
            b"Authorization: known\r\nIdempotency-Key: k\r\n\r\n",
        )
        assert seen == {"headers": ["host", "transfer-encoding"], "body": 2}


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b"0\r\n", *[b"a: b\r\n"] * 101], id="too many trailers"),
        pytest.param([b"0\r\n", *[header(KIB)] * 40], id="large trailers"),
        pytest.param([b"0\r\n", b"X: ", *[b"x" * KIB] * 600], id="a trailer that never ends"),
        pytest.param([b"1;", *[b"x" * KIB] * 600], id="a chunk extension that never ends"),
    ],
)
async def test_what_is_no_body_is_bounded_after_the_headers_too(parts: list[bytes]) -> None:
    async with serving() as server:
        peer = await connect(server)
        await peer.send(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        await peer.send(*parts)
        assert (await peer.response())[0] == 431
        await eventually(lambda: server.events == ["disconnect"], within_seconds=1.5)


async def test_a_bad_request_behind_a_good_one_does_not_cost_the_good_ones_response() -> None:
    async with serving() as server:
        peer = await connect(server)
        await peer.send(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
        await peer.send(GET, header(33 * KIB), b"\r\n")
        await asyncio.sleep(0.1)
        server.released.set()
        assert (await peer.response())[0] == 200
        assert await peer.is_closed()


async def test_requests_in_a_row_are_answered_in_order_up_to_a_limit() -> None:
    async with serving(pipelined=4) as server:
        peer = await connect(server)
        await peer.send((GET + b"\r\n") * 4)
        assert [(await peer.response())[0] for _ in range(4)] == [200] * 4
        await peer.send((GET + b"\r\n") * 100)
        assert (await peer.response())[0] == 200
        assert await peer.is_closed()
        assert len(server.events) < 10


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
async def test_what_is_not_http_is_400(sent: bytes) -> None:
    async with serving() as server:
        status, problem = await exchange(server, sent)
        assert (status, problem["code"]) == (400, "invalid_request")


async def test_a_body_that_comes_after_the_response_is_dropped_up_to_a_limit() -> None:
    async with serving(unread_bytes=100 * KIB) as server:
        peer = await connect(server)
        await peer.send(b"POST /deaf HTTP/1.1\r\n" + HOST + b"Content-Length: 9999999\r\n\r\n")
        assert (await peer.response())[0] == 200

        async def flood() -> None:
            for _ in range(1_000):
                await peer.send(b"x" * KIB)
                await asyncio.sleep(0)

        with pytest.raises(ConnectionError):
            await flood()


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    async with serving(write_seconds=0.3) as server:
        peer = await connect(server)
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await peer.send(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
        await asyncio.sleep(2)
        peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await peer.reader.readexactly(20_000_000)


async def test_connections_over_the_limit_are_503() -> None:
    async with serving(connections=3) as server:
        known = [await connect(server) for _ in range(3)]
        for peer in known:
            await peer.send(GET + b"Authorization: known\r\n\r\n")
            assert (await peer.response())[0] == 200
        refused = await connect(server)
        status, problem = await refused.response()
        assert (status, problem["code"]) == (503, "unavailable")
        assert await refused.is_closed()
        known[0].writer.close()
        await eventually(lambda: _is_served(server))


async def test_strangers_make_room_for_each_other_and_not_for_the_known() -> None:
    async with serving(unauthenticated=3) as server:
        known = await connect(server)
        await known.send(GET + b"Authorization: known\r\n\r\n")
        assert (await known.response())[0] == 200
        busy = await connect(server)
        await busy.send(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
        silent = [await connect(server) for _ in range(2)]
        await asyncio.sleep(0.1)
        fresh = await connect(server)
        assert await silent[0].is_closed()
        for peer in (known, silent[1], fresh):
            await peer.send(GET + b"\r\n")
            assert (await peer.response())[0] == 200
        server.released.set()
        assert (await busy.response())[0] == 200


async def _is_served(server: Server) -> bool:
    return (await exchange(server, GET + b"\r\n"))[0] == 200
