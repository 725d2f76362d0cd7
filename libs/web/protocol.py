"""uvicorn's HTTP/1.1 protocol, with limits on what a peer may send and how slowly.

A request that breaks a limit gets a problem document where a response can still be written, and its
connection is closed. Trailers of a chunked body are counted and dropped: no header follows a body.
"""

import asyncio
from enum import Enum, auto
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from libs.contracts.headers import REQUEST_ID
from libs.kernel.errors import (
    Fault,
    HeadersTooLarge,
    InvalidRequest,
    RequestTimeout,
    Unavailable,
    WhaleError,
)
from libs.kernel.ids import new_id
from libs.observability import metrics
from libs.web import problems
from libs.web.connections import Connections, offer_mark

# `: ` and the end of the line.
_PER_HEADER_BYTES: Final = 4
# What a refused peer still sends is read for so long: if the connection were closed immediately, unread
# bytes would make the system discard the response.
_LINGER_SECONDS: Final = 2.0
_NOT_HTTP: Final = InvalidRequest(
    "The request is not valid HTTP/1.1.", errors=[Fault(detail="is not valid HTTP/1.1")]
)


class _Reading(Enum):
    """The part of a request that the next bytes belong to."""

    NOTHING = auto()
    HEADERS = auto()
    BODY = auto()


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        register: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._register = register
        self._limits = register.limits
        self._reading = _Reading.NOTHING
        # When the part that is being read must be complete.
        self._deadline: float | None = None
        self._header_bytes = 0
        self._header_count = 0
        # Bytes since the parser last completed something: a header or chunk extension without an end.
        self._unparsed = 0
        self._progress = False
        self._unread = 0
        self._refused = False
        self._fault: WhaleError | None = None
        self._stuck_since: float | None = None

    # -- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.time() + self._limits.header_seconds
        if not self._register.admit(self, self.loop):
            self._refuse(
                Unavailable("The service has too many connections. Try again in a moment.")
            )
            # It is not registered, so no sweep would close it.
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._register.remove(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck_since = None
        super().resume_writing()

    def is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def abort(self) -> None:
        self.transport.abort()

    def check(self, now: float) -> None:
        """Disconnect a peer that does not read; refuse a peer that sends too slowly."""
        if self._stuck_since is None and self.transport.is_closing():
            self._stuck_since = now
        if self._stuck_since is not None and now > self._stuck_since + self._limits.write_seconds:
            self.transport.abort()
        elif self._deadline is not None and now > self._deadline:
            self._miss_deadline(now)

    def _miss_deadline(self, now: float) -> None:
        if self._refused or self._reading is _Reading.NOTHING:
            self.transport.close()
        elif self.flow.read_paused:
            # The peer cannot send while nothing is read.
            self._deadline = now + self._limits.body_seconds
        else:
            part = "headers" if self._reading is _Reading.HEADERS else "body"
            self._refuse(RequestTimeout(f"The {part} of the request took too long to arrive."))

    # -- what arrives

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._drop(len(data))
            return
        self._unset_keepalive_if_required()
        if self._deadline is None and not self.is_busy():
            self._deadline = self.loop.time() + self._limits.header_seconds
        self._progress = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The server speaks only HTTP/1.1: the request is handled as if it had no Upgrade header.
            pass
        except httptools.HttpParserError:
            self._refuse(self._fault or _NOT_HTTP)
            return
        self._unparsed = 0 if self._progress else self._unparsed + len(data)
        if self._unparsed > self._limits.header_bytes:
            self._refuse(self._headers_too_large())

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self._limits.pipelined:
            self._fail(
                Unavailable(
                    "Too many requests were sent on this connection before the first had a response. "
                    "Wait for responses, or open more connections."
                )
            )
        super().on_message_begin()
        offer_mark(self.scope["state"], self._mark_authenticated)
        self._reading = _Reading.HEADERS
        self._deadline = self.loop.time() + self._limits.header_seconds
        self._header_bytes = self._header_count = self._unread = 0

    def on_url(self, url: bytes) -> None:
        self._header_bytes += len(url)
        self._check_headers()
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._header_bytes += len(name) + len(value) + _PER_HEADER_BYTES
        self._check_headers()
        if self._reading is _Reading.HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._progress = True
        self._reading = _Reading.BODY
        self._deadline = self.loop.time() + self._limits.body_seconds
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progress = True
        if self._deadline is not None:
            self._deadline += len(body) / self._limits.min_bytes_per_second
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > self._limits.unread_bytes:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._progress = True
        self._reading = _Reading.NOTHING
        self._deadline = None
        super().on_message_complete()

    def _mark_authenticated(self) -> None:
        self._register.mark_authenticated(self)

    def _check_headers(self) -> None:
        limits = self._limits
        if self._header_bytes > limits.header_bytes or self._header_count > limits.headers:
            self._fail(self._headers_too_large())

    def _headers_too_large(self) -> HeadersTooLarge:
        kib = self._limits.header_bytes // 1024
        return HeadersTooLarge(
            f"A request may have {self._limits.headers} headers, and {kib} KiB of headers and path."
        )

    def _fail(self, fault: WhaleError) -> None:
        """Stop the parser, which wraps any exception of its callbacks."""
        self._fault = fault
        raise fault

    # -- refusing

    def _refuse(self, error: WhaleError) -> None:
        """Respond with a problem if the response to this request has not begun, and close."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        metrics.HTTP_REFUSED.labels(error.code).inc()
        self._unset_keepalive_if_required()
        if self._reading is _Reading.BODY and self.is_busy():
            # The app must not wait for the rest. A response that has not begun is dropped.
            self.cycle.disconnected = not self.cycle.response_started
            self.cycle.message_event.set()
        if self.pipeline or (self.is_busy() and not self.cycle.disconnected):
            # Earlier requests wait for responses: the connection is closed after the last of them.
            self._deadline = self.loop.time() + self._limits.write_seconds
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        self._deadline = self.loop.time() + _LINGER_SECONDS
        self._unread = 0
        self.transport.write(_response(error))
        self.transport.write_eof()

    def _drop(self, count: int) -> None:
        self._unread += count
        if self._unread > self._limits.unread_bytes:
            self.transport.close()


def _response(error: WhaleError) -> bytes:
    """The bytes of a response with a problem."""
    request_id = new_id("req")
    body = problems.body_of(error, request_id)
    headers = {
        "Content-Type": problems.MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        REQUEST_ID: request_id,
        **problems.headers_of(error),
    }
    lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[problems.status_of(error)] + lines.encode() + b"\r\n" + body
