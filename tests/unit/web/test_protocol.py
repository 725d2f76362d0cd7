"""Limits on what a peer may send and how slowly, on real sockets with short deadlines."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Collection
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
    """An app behind the protocol; it responds with the headers and the body size that it received."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.port = 0
        self.events: list[str] = []
        self.released = asyncio.Event()
        self.peers: list[Peer] = []
        self.connections: Collection[object] = ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        if headers.get(b"authorization") == b"valid":
            mark_authenticated(scope["state"])
        body = b""
        if scope["path"] != "/unread":
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
        received = {"headers": sorted(name.decode() for name in headers), "body": len(body)}
        content = b"x" * 20_000_000 if scope["path"] == "/large" else json.dumps(received).encode()
        length = str(len(content)).encode()
        start = {"status": 200, "headers": [(b"content-length", length)]}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": content})
        self.events.append("responded")


@contextlib.asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[Server]:
    short_limits = msgspec.structs.replace(Limits(), **limits)
    app = Server(short_limits)
    config = uvicorn.Config(
        app, http="httptools", lifespan="off", access_log=False, log_config=None
    )
    config.load()
    registry = Connections(short_limits)
    state = ServerState()
    app.connections = state.connections
    server = await asyncio.get_running_loop().create_server(
        lambda: LimitedProtocol(config, state, {}, registry=registry), "127.0.0.1", 0
    )
    app.port = server.sockets[0].getsockname()[1]
    try:
        yield app
    finally:
        app.released.set()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
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
        async with asyncio.timeout(60):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode().lower().split("\r\n")
            length = next(line for line in lines if line.startswith("content-length:"))
            body = await self.reader.readexactly(int(length.partition(":")[2]))
        return int(lines[0].split()[1]), json.loads(body)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def is_closed(self) -> bool:
        """Whether the server closes the connection; reads and drops the rest of what it sends."""
        try:
            async with asyncio.timeout(60):
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


async def send_and_receive(server: Server, *parts: bytes) -> tuple[int, dict[str, Any]]:
    peer = await connect(server)
    await peer.send(*parts)
    return await peer.response()


def header(size: int) -> bytes:
    """A header of `size` bytes."""
    return b"X-Big: " + b"x" * (size - 9) + b"\r\n"


async def test_headers_up_to_the_limits_are_read() -> None:
    async with serving() as server:
        many = b"".join(b"X-%d: y\r\n" % number for number in range(99))
        assert (await send_and_receive(server, GET, many, b"\r\n"))[0] == 200
        assert (await send_and_receive(server, GET, header(31 * KIB), b"\r\n"))[0] == 200


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([GET, header(33 * KIB), b"\r\n"], id="one large header"),
        pytest.param([GET, *[header(KIB)] * 40, b"\r\n"], id="many headers"),
        pytest.param([GET, b"X-Big: " + b"x" * 40 * KIB], id="an unterminated header"),
        pytest.param([GET, b"X-Big: ", *[b"x" * KIB] * 40], id="a header that never ends"),
        pytest.param([GET, b"X" * 40 * KIB], id="an unterminated name"),
        pytest.param([b"GET /" + b"x" * 33 * KIB + b" HTTP/1.1\r\n", HOST, b"\r\n"], id="a path"),
        pytest.param([GET, *[b"a: b\r\n"] * 100, b"\r\n"], id="101 headers"),
        pytest.param([b"\r\n" * 20 * KIB], id="empty lines only"),
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


async def test_a_peer_that_sends_200_mb_of_headers_is_disconnected() -> None:
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


async def test_a_trickle_of_headers_does_not_extend_the_deadline() -> None:
    async with serving(header_seconds=0.5) as server:
        peer = await connect(server)
        await peer.send(GET)
        reading = asyncio.create_task(peer.response())
        started = asyncio.get_running_loop().time()
        while not reading.done():
            await peer.send(b"a: b\r\n")
            await asyncio.sleep(0.05)
            assert asyncio.get_running_loop().time() - started < 30
        assert (await reading)[0] == 408


@pytest.mark.parametrize("content", [b"", b"\r\n"])
async def test_a_connection_without_a_request_is_closed_without_a_response(
    content: bytes,
) -> None:
    async with serving(header_seconds=0.3) as server:
        peer = await connect(server)
        await peer.send(content)
        async with asyncio.timeout(60):
            assert await peer.reader.read() == b""


POST = b"POST / HTTP/1.1\r\n" + HOST


@pytest.fixture
def lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection stays open: its end is not what disconnects the app."""
    monkeypatch.setattr("libs.web.protocol._LINGER_SECONDS", 600.0)


async def test_a_body_that_takes_too_long_is_408_and_the_app_is_disconnected(
    lingering: None,
) -> None:
    async with serving(body_seconds=0.3) as server:
        peer = await connect(server)
        await peer.send(POST + b"Content-Length: 10\r\n\r\n12345")
        status, problem = await peer.response()
        assert (status, problem["code"]) == (408, "request_timeout")
        await eventually(lambda: server.events == ["disconnect"])


async def test_a_body_below_the_least_rate_is_408_and_a_faster_one_is_read() -> None:
    async def upload(server: Server, pause: float) -> int:
        peer = await connect(server)
        await peer.send(POST + b"Content-Length: 100\r\n\r\n")
        reading = asyncio.create_task(peer.response())
        for _ in range(100):
            if reading.done():
                break
            await peer.send(b"x")
            await asyncio.sleep(pause)
        return (await reading)[0]

    # At the slower pace the body misses its deadline after 2.5 s; at the faster one it takes 3 s.
    async with serving(body_seconds=2, least_bytes_per_second=10) as server:
        assert await upload(server, 0.5) == 408
        assert await upload(server, 0.03) == 200


async def test_the_deadline_of_a_body_does_not_apply_while_reading_is_paused() -> None:
    async with serving(body_seconds=0.3) as server:
        peer = await connect(server)
        await peer.send(b"POST /unread HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\n12345")
        assert (await peer.response())[0] == 200


async def test_time_between_requests_is_not_limited_by_their_deadlines() -> None:
    async with serving(header_seconds=0.3, body_seconds=0.3) as server:
        peer = await connect(server)
        for _ in range(3):
            await peer.send(POST + b"Content-Length: 2\r\n\r\nok")
            assert (await peer.response())[1]["body"] == 2
            await asyncio.sleep(1.2)


async def test_trailers_are_not_read_as_headers() -> None:
    async with serving() as server:
        _, received = await send_and_receive(
            server,
            POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
            b"Authorization: valid\r\nIdempotency-Key: k\r\n\r\n",
        )
        assert received == {"headers": ["host", "transfer-encoding"], "body": 2}


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b"0\r\n", *[b"a: b\r\n"] * 101], id="too many trailers"),
        pytest.param([b"0\r\n", *[header(KIB)] * 40], id="large trailers"),
        pytest.param([b"0\r\n", b"X: ", *[b"x" * KIB] * 600], id="a trailer that never ends"),
        pytest.param([b"1;", *[b"x" * KIB] * 600], id="a chunk extension that never ends"),
    ],
)
async def test_trailers_and_chunk_extensions_over_a_limit_are_431(
    parts: list[bytes], lingering: None
) -> None:
    async with serving() as server:
        peer = await connect(server)
        await peer.send(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        await peer.send(*parts)
        assert (await peer.response())[0] == 431
        await eventually(lambda: server.events == ["disconnect"])


async def test_a_request_still_gets_its_response_after_an_invalid_request_behind_it() -> None:
    async with serving() as server:
        peer = await connect(server)
        await peer.send(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
        await peer.send(GET, header(33 * KIB), b"\r\n")
        await asyncio.sleep(0.1)
        server.released.set()
        assert (await peer.response())[0] == 200
        assert await peer.is_closed()


async def test_pipelined_requests_get_responses_in_order_up_to_a_limit() -> None:
    async with serving(pipelined=4) as server:
        peer = await connect(server)
        await peer.send((GET + b"\r\n") * 4)
        assert [(await peer.response())[0] for _ in range(4)] == [200] * 4
        await peer.send((GET + b"\r\n") * 100)
        assert (await peer.response())[0] == 200
        assert await peer.is_closed()
        assert len(server.events) < 10


@pytest.mark.parametrize(
    "content", [b"\x16\x03\x01\x02\x00\x01", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
async def test_a_request_that_is_not_http_is_400(content: bytes) -> None:
    async with serving() as server:
        status, problem = await send_and_receive(server, content)
        assert (status, problem["code"]) == (400, "invalid_request")


async def test_a_body_that_arrives_after_the_response_is_dropped_up_to_a_limit() -> None:
    async with serving(unread_bytes=100 * KIB) as server:
        peer = await connect(server)
        await peer.send(b"POST /unread HTTP/1.1\r\n" + HOST + b"Content-Length: 9999999\r\n\r\n")
        assert (await peer.response())[0] == 200

        async def flood() -> None:
            for _ in range(1_000):
                await peer.send(b"x" * KIB)
                await asyncio.sleep(0)

        with pytest.raises(ConnectionError):
            await flood()


async def test_a_peer_that_does_not_read_is_disconnected() -> None:
    async with serving(write_seconds=0.3) as server:
        peer = await connect(server)
        transport: Any = vars(peer.reader)["_transport"]
        transport.pause_reading()
        await peer.send(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
        await eventually(lambda: len(server.connections) == 1)
        await eventually(lambda: len(server.connections) == 0)
        transport.resume_reading()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await peer.reader.readexactly(20_000_000)


async def test_connections_over_the_limit_are_503() -> None:
    async with serving(connections=3) as server:
        peers = [await connect(server) for _ in range(3)]
        for peer in peers:
            await peer.send(GET + b"Authorization: valid\r\n\r\n")
            assert (await peer.response())[0] == 200
        refused = await connect(server)
        status, problem = await refused.response()
        assert (status, problem["code"]) == (503, "unavailable")
        assert await refused.is_closed()
        peers[0].writer.close()
        await eventually(lambda: _is_served(server))


async def test_unauthenticated_connections_make_room_only_for_each_other() -> None:
    async with serving(unauthenticated=3) as server:
        authenticated = await connect(server)
        await authenticated.send(GET + b"Authorization: valid\r\n\r\n")
        assert (await authenticated.response())[0] == 200
        busy = await connect(server)
        await busy.send(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
        idle = [await connect(server) for _ in range(2)]
        await asyncio.sleep(0.1)
        newest = await connect(server)
        assert await idle[0].is_closed()
        for peer in (authenticated, idle[1], newest):
            await peer.send(GET + b"\r\n")
            assert (await peer.response())[0] == 200
        server.released.set()
        assert (await busy.response())[0] == 200


async def _is_served(server: Server) -> bool:
    return (await send_and_receive(server, GET + b"\r\n"))[0] == 200
