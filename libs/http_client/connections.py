"""Kept connections to one process of a service: HTTP/1.1, one request at a time on each."""

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

import httptools
from msgspec import Struct

_CONNECT_SECONDS: Final = 2.0
# Our servers keep an idle connection for longer, so none is closed while a request is sent on it.
_KEEP_SECONDS: Final = 30.0
# A process that hangs must not use up the files of those that call it.
_CONNECTIONS: Final = 512
_FIRST_FINAL_STATUS: Final = 200
# The client writes these itself: a second value would leave open where the request ends.
_OWN_HEADERS: Final = frozenset({"host", "connection", "content-length", "transfer-encoding"})


class ServiceResponse(Struct, frozen=True):
    """The response of a service."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class NotConnected(Exception):
    """There is no connection to the process, so the request did not reach it."""


class ConnectionBroken(Exception):
    """There is no complete response on the connection. The request may have reached the process."""


class ConnectionPool:
    """The connections to the process at `url`. A response has those of its headers that
    `response_headers` names, in lower case."""

    def __init__(self, url: str, *, response_headers: frozenset[bytes]) -> None:
        self.url = url
        parts = urlsplit(url)
        is_encrypted = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if is_encrypted else 80)
        self._ssl = ssl.create_default_context() if is_encrypted else None
        self._host_line = f"Host: {parts.netloc}"
        self._path = parts.path
        self._response_headers = response_headers
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self._idle: list[_Connection] = []
        self._is_closed = False

    async def send(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes,
        *,
        timeout_seconds: float,
    ) -> ServiceResponse:
        """Send a request on a kept connection or on a new one; returns the response. The connection
        is closed if the caller is cancelled meanwhile.

        Raises NotConnected, ConnectionBroken or TimeoutError, and ValueError for a header or target
        that would change where the request ends.
        """
        request = self._encode(method, target, headers, body)
        has_body = method != "HEAD"
        connection = None if self._slots.locked() else self._take()
        if connection is None:
            async with asyncio.timeout(timeout_seconds), self._slots:
                connection = self._take() or await self._connect()
                return await self._exchange(connection, request, has_body=has_body)
        # On most requests. A timer costs a fifth of `asyncio.timeout`.
        async with self._slots:
            timer = asyncio.get_running_loop().call_later(timeout_seconds, connection.time_out)
            try:
                return await self._exchange(connection, request, has_body=has_body)
            finally:
                timer.cancel()

    async def _exchange(
        self, connection: "_Connection", request: bytes, *, has_body: bool
    ) -> ServiceResponse:
        response = await connection.exchange(request, has_body=has_body)
        self._keep(connection)
        return response

    def close(self) -> None:
        """Close the idle connections, and each of the others after its response."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def _encode(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        if not _OWN_HEADERS.isdisjoint(map(str.lower, headers)):
            raise ValueError("A caller must not set the headers that frame a request.")
        lines = [
            f"{method} {self._path}{target} HTTP/1.1",
            self._host_line,
            *(f"{name}: {value}" for name, value in headers.items()),
            f"Content-Length: {len(body)}",
        ]
        head = "\r\n".join(lines)
        if lines[0].count(" ") != 2 or {head.count("\r"), head.count("\n")} != {len(lines) - 1}:
            raise ValueError("A header or the target contains a line break or a blank.")
        return b"%b\r\n\r\n%b" % (head.encode("latin-1"), body)

    def _take(self) -> "_Connection | None":
        """The connection that was used last, or None. All others have been idle for longer, so a new
        connection is made only when none is left."""
        oldest = asyncio.get_running_loop().time() - _KEEP_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def _keep(self, connection: "_Connection") -> None:
        if self._is_closed:
            connection.close()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    async def _connect(self) -> "_Connection":
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._response_headers),
                    self._host,
                    self._port,
                    ssl=self._ssl,
                )
        except OSError as error:
            # Also a TimeoutError.
            raise NotConnected(repr(error)) from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection, and the parser of its responses, which calls the methods `on_…`."""

    def __init__(self, response_headers: frozenset[bytes]) -> None:
        self.idle_since = 0.0
        self._response_headers = response_headers
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._response: asyncio.Future[ServiceResponse] | None = None
        self._has_body = True
        self._is_in_headers = False
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes, *, has_body: bool) -> ServiceResponse:
        """Send the request; returns the response. Afterwards the connection is open only if the
        process keeps it open, the response was complete and nothing followed it."""
        assert self._transport is not None
        self._has_body = has_body
        self._response = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._response
        except asyncio.CancelledError:
            # Nobody reads the response any more.
            self.close()
            raise
        finally:
            self._response = None

    def time_out(self) -> None:
        """Close the connection, and raise TimeoutError for the request on it."""
        self.close()
        self._fail(TimeoutError())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(repr(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self._break(f"It was closed before the response was complete: {exc!r}")

    def _break(self, reason: str) -> None:
        self.close()
        self._fail(ConnectionBroken(reason))

    def _fail(self, error: Exception) -> None:
        if self._response is not None and not self._response.done():
            self._response.set_exception(error)

    # -- the parser

    def on_message_begin(self) -> None:
        if self._response is None or self._response.done():
            raise ConnectionBroken("There is a response without a request.")
        self._is_in_headers = True
        self._headers, self._body = [], []

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        # Trailers end here.
        if self._is_in_headers and lower in self._response_headers:
            self._headers.append((lower, value.strip()))

    def on_headers_complete(self) -> None:
        self._is_in_headers = False
        self._status = self._parser.get_status_code()
        if not self._has_body:
            # The parser waits for the body that the headers describe.
            self._complete(keep=False)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        # The parser knows only here whether the process keeps the connection open.
        if self._status >= _FIRST_FINAL_STATUS:
            self._complete(keep=self._parser.should_keep_alive())

    def _complete(self, *, keep: bool) -> None:
        if not keep:
            self.close()
        if self._response is not None and not self._response.done():
            self._response.set_result(
                ServiceResponse(self._status, self._headers, b"".join(self._body))
            )
