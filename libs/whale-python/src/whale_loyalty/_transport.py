"""Sending calls over HTTP, blocking and async: the only modules that wait are this one's two halves."""

import time
from collections.abc import AsyncGenerator
from typing import Final, TypeVar

import anyio
import httpx
from anyio.lowlevel import RunVar
from msgspec import Struct

from whale_loyalty._call import Answer, Call, NoAnswer
from whale_loyalty._operation import Operation
from whale_loyalty._settings import ApiKey, Settings
from whale_loyalty.errors import ClientClosed

T = TypeVar("T")

_AGENT: Final = "whale-loyalty-python/0.1.0"


class Transport:
    """Sends operations, and waits for them."""

    def __init__(
        self, settings: Settings, key: ApiKey, transport: httpx.BaseTransport | None
    ) -> None:
        self._settings = settings
        self._key = key
        self._http = httpx.Client(headers=_headers(key), transport=transport)

    def send(self, operation: Operation[T]) -> T:
        """The operation's result, after as many attempts as it takes and may have."""
        call = Call(operation, self._settings, self._key, now=time.monotonic())
        while True:
            wait = call.after(self._attempt(call), now=time.monotonic())
            if wait is None:
                return call.result()
            time.sleep(wait)

    def _attempt(self, call: Call[T]) -> Answer | NoAnswer:
        if self._http.is_closed:
            raise _closed()
        try:
            return self._exchange(call)
        except httpx.RequestError as error:
            return _no_answer(error)

    def _exchange(self, call: Call[T]) -> Answer | NoAnswer:
        """Each read has its time, and so has the whole: a body that comes drop by drop is cut off."""
        started = time.monotonic()
        seconds = call.attempt_seconds(started)
        asked = call.request
        with self._http.stream(
            asked.method, asked.url, headers=asked.headers, content=asked.body, timeout=seconds
        ) as answer:
            parts = []
            for part in answer.iter_bytes():
                if time.monotonic() - started > seconds:
                    return _timed_out()
                parts.append(part)
        return call.received(answer.status_code, answer.headers, b"".join(parts))

    def close(self) -> None:
        self._http.close()


class _Connections(Struct, frozen=True):
    """The connections of one event loop, and what closes them when the loop ends."""

    http: httpx.AsyncClient
    closing: AsyncGenerator[None, None]


class AsyncTransport:
    """Sends operations, and lets others run meanwhile; on asyncio or trio.

    A connection belongs to the event loop that opened it, so each loop has connections of its own.
    """

    def __init__(
        self, settings: Settings, key: ApiKey, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self._settings = settings
        self._key = key
        self._transport = transport
        self._is_closed = False
        self._connections = RunVar[_Connections]("whale_loyalty_connections")

    async def send(self, operation: Operation[T]) -> T:
        """The operation's result, after as many attempts as it takes and may have."""
        call = Call(operation, self._settings, self._key, now=time.monotonic())
        while True:
            wait = call.after(await self._attempt(call), now=time.monotonic())
            if wait is None:
                return call.result()
            await anyio.sleep(wait)

    async def _attempt(self, call: Call[T]) -> Answer | NoAnswer:
        if self._is_closed:
            raise _closed()
        http = await self._http()
        try:
            with anyio.fail_after(call.attempt_seconds(time.monotonic())):
                return await self._exchange(http, call)
        except TimeoutError:
            return _timed_out()
        except httpx.RequestError as error:
            return _no_answer(error)

    async def _exchange(self, http: httpx.AsyncClient, call: Call[T]) -> Answer:
        asked = call.request
        answer = await http.request(
            asked.method, asked.url, headers=asked.headers, content=asked.body, timeout=None
        )
        return call.received(answer.status_code, answer.headers, answer.content)

    async def _http(self) -> httpx.AsyncClient:
        """The connections of the running loop, opened where it has none."""
        try:
            return self._connections.get().http
        except LookupError:
            http = httpx.AsyncClient(headers=_headers(self._key), transport=self._transport)
            closing = _closing(http)
            self._connections.set(_Connections(http, closing))
            await anext(closing)
            return http

    async def close(self) -> None:
        """Close the running loop's connections; those of another loop are closed at its end."""
        self._is_closed = True
        connections = self._connections.get(None)
        if connections is not None:
            await connections.closing.aclose()


async def _closing(http: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    """Closes the connections when it is closed itself: asyncio and trio do so with every async
    generator that is still open when an event loop ends."""
    try:
        yield
    finally:
        await http.aclose()


def _headers(key: ApiKey) -> dict[str, str]:
    return {"Authorization": key.header, "User-Agent": _AGENT}


def _closed() -> ClientClosed:
    return ClientClosed("The client was closed; create another one.")


def _timed_out() -> NoAnswer:
    return NoAnswer(why="no answer came in time", timed_out=True)


def _no_answer(error: httpx.RequestError) -> NoAnswer:
    if isinstance(error, httpx.TimeoutException):
        return _timed_out()
    return NoAnswer(why=f"{type(error).__name__}: {error}")
