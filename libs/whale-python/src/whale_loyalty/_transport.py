"""The HTTP transports, blocking and async: the only module that does I/O and sleeps."""

import time
from collections.abc import AsyncGenerator
from typing import Final, TypeVar

import anyio
import httpx
from anyio.lowlevel import RunVar
from msgspec import Struct

from whale_loyalty._call import Call, NoResponse, Response
from whale_loyalty._operation import Operation
from whale_loyalty._settings import ApiKey, Settings
from whale_loyalty._version import __version__
from whale_loyalty.errors import ClientClosed

T = TypeVar("T")

_USER_AGENT: Final = f"whale-loyalty-python/{__version__}"


def connections(key: ApiKey, transport: httpx.BaseTransport | None) -> httpx.Client:
    """The blocking client's connections."""
    return httpx.Client(headers=_headers(key), transport=transport)


class Transport:
    """Sends operations and blocks until their results arrive."""

    def __init__(self, settings: Settings, key: ApiKey, connections: httpx.Client) -> None:
        self._settings = settings
        self._key = key
        self._http = connections

    def with_settings(self, settings: Settings) -> "Transport":
        """A transport with these settings, on the same connections."""
        return Transport(settings, self._key, self._http)

    def send(self, operation: Operation[T]) -> T:
        """The operation's result after at most `max_retries` retries. Raises a WhaleError."""
        call = Call(operation, self._settings, self._key, now=time.monotonic())
        while True:
            delay = call.record(self._attempt(call), now=time.monotonic())
            if delay is None:
                return call.result()
            time.sleep(delay)

    def _attempt(self, call: Call[T]) -> Response | NoResponse:
        if self._http.is_closed:
            raise _client_closed()
        try:
            return self._exchange(call)
        except httpx.RequestError as error:
            return _no_response(error)

    def _exchange(self, call: Call[T]) -> Response | NoResponse:
        """One request and its response. httpx limits each read only, so the loop limits the whole
        attempt: a body that trickles in is cut off."""
        started = time.monotonic()
        timeout = call.attempt_timeout_seconds(started)
        request = call.request
        with self._http.stream(
            request.method,
            request.url,
            headers=request.headers,
            content=request.body,
            timeout=timeout,
        ) as response:
            chunks = []
            for chunk in response.iter_bytes():
                if time.monotonic() - started > timeout:
                    return _timed_out()
                chunks.append(chunk)
        return call.redacted_response(response.status_code, response.headers, b"".join(chunks))

    def close(self) -> None:
        self._http.close()


class _LoopConnections(Struct, frozen=True):
    """The connections of one event loop, and the generator that closes them when the loop ends."""

    http: httpx.AsyncClient
    closer: AsyncGenerator[None, None]


class AsyncConnections:
    """The connections of all event loops. A connection belongs to the loop that opened it, so each loop
    has connections of its own."""

    def __init__(self, key: ApiKey, transport: httpx.AsyncBaseTransport | None) -> None:
        self._key = key
        self._transport = transport
        self._is_closed = False
        self._of_loop = RunVar[_LoopConnections]("whale_loyalty_connections")

    async def http(self) -> httpx.AsyncClient:
        """The running loop's connections, created on its first call. Raises ClientClosed."""
        if self._is_closed:
            raise _client_closed()
        try:
            return self._of_loop.get().http
        except LookupError:
            http = httpx.AsyncClient(headers=_headers(self._key), transport=self._transport)
            closer = _close_at_loop_end(http)
            self._of_loop.set(_LoopConnections(http, closer))
            await anext(closer)
            return http

    async def close(self) -> None:
        """Close the running loop's connections; those of another loop close when that loop ends."""
        self._is_closed = True
        connections = self._of_loop.get(None)
        if connections is not None:
            await connections.closer.aclose()


class AsyncTransport:
    """Sends operations without blocking the event loop, on asyncio or trio."""

    def __init__(self, settings: Settings, key: ApiKey, connections: AsyncConnections) -> None:
        self._settings = settings
        self._key = key
        self._connections = connections

    def with_settings(self, settings: Settings) -> "AsyncTransport":
        """A transport with these settings, on the same connections."""
        return AsyncTransport(settings, self._key, self._connections)

    async def send(self, operation: Operation[T]) -> T:
        """The operation's result after at most `max_retries` retries. Raises a WhaleError."""
        call = Call(operation, self._settings, self._key, now=time.monotonic())
        while True:
            delay = call.record(await self._attempt(call), now=time.monotonic())
            if delay is None:
                return call.result()
            await anyio.sleep(delay)

    async def _attempt(self, call: Call[T]) -> Response | NoResponse:
        http = await self._connections.http()
        try:
            with anyio.fail_after(call.attempt_timeout_seconds(time.monotonic())):
                return await self._exchange(http, call)
        except TimeoutError:
            return _timed_out()
        except httpx.RequestError as error:
            return _no_response(error)

    async def _exchange(self, http: httpx.AsyncClient, call: Call[T]) -> Response:
        request = call.request
        response = await http.request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.body,
            timeout=None,
        )
        return call.redacted_response(response.status_code, response.headers, response.content)

    async def close(self) -> None:
        await self._connections.close()


async def _close_at_loop_end(http: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    """Closes the connections when the generator is closed: asyncio and trio close every async
    generator that is still open when an event loop ends."""
    try:
        yield
    finally:
        await http.aclose()


def _headers(key: ApiKey) -> dict[str, str]:
    return {"Authorization": key.header, "User-Agent": _USER_AGENT}


def _client_closed() -> ClientClosed:
    return ClientClosed("The client is closed; create another one.")


def _timed_out() -> NoResponse:
    return NoResponse(reason="the response did not arrive in time", timed_out=True)


def _no_response(error: httpx.RequestError) -> NoResponse:
    if isinstance(error, httpx.TimeoutException):
        return _timed_out()
    return NoResponse(reason=f"{type(error).__name__}: {error}")
