"""uvicorn's HTTP/1.1 protocol with limits on what a peer may send and how slowly.

A request over a limit gets a problem response if a response can still be written, and its connection
is closed. Trailers of a chunked body are counted and dropped, so that no header follows a body.
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
from libs.observability.requests import log_response
from libs.web import problems
from libs.web.connections import Connections, call_when_authenticated

# `: ` and the line break.
_PER_HEADER_BYTES: Final = 4
# For this long a refused peer may continue to send: closing immediately would reset the connection,
# and the peer might lose the response.
_LINGER_SECONDS: Final = 2.0
_NOT_HTTP: Final = InvalidRequest(
    "The request is not valid HTTP/1.1.",
    errors=[Fault(detail="The request is not valid HTTP/1.1.")],
)


class _Phase(Enum):
    """What the next bytes from the peer are part of."""

    IDLE = auto()
    HEADERS = auto()
    BODY = auto()


class LimitedProtocol(HttpToolsProtocol):
    """One connection, and its limits."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        registry: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._registry = registry
        self._limits = registry.limits
        self._phase = _Phase.IDLE
        # When the current headers or body must be complete.
        self._deadline: float | None = None
        self._header_bytes = 0
        self._header_count = 0
        # Bytes since the parser last made progress: a header or chunk extension without an end.
        self._unparsed_bytes = 0
        self._has_progressed = False
        # Bytes read and dropped after the response.
        self._unread_bytes = 0
        self._is_refused = False
        self._parser_error: WhaleError | None = None
        self._write_blocked_since: float | None = None

    # -- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.time() + self._limits.header_seconds
        if not self._registry.add(self, self.loop):
            self._refuse(Unavailable("There are too many connections. Try again in a moment."))
            # It is not registered, so no sweep would close it.
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._registry.remove(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._write_blocked_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._write_blocked_since = None
        super().resume_writing()

    def is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def abort(self) -> None:
        self.transport.abort()

    def enforce_deadlines(self, now: float) -> None:
        """Disconnect a peer that does not read; refuse a request that arrives too slowly."""
        if self._write_blocked_since is None and self.transport.is_closing():
            self._write_blocked_since = now
        if (
            self._write_blocked_since is not None
            and now > self._write_blocked_since + self._limits.write_seconds
        ):
            self.transport.abort()
        elif self._deadline is not None and now > self._deadline:
            self._handle_missed_deadline(now)

    def _handle_missed_deadline(self, now: float) -> None:
        if self._is_refused or self._phase is _Phase.IDLE:
            self.transport.close()
        elif self.flow.read_paused:
            # The peer cannot send while reading is paused.
            self._deadline = now + self._limits.body_seconds
        else:
            part = "headers" if self._phase is _Phase.HEADERS else "body"
            self._refuse(RequestTimeout(f"The request's {part} took too long to arrive."))

    # -- receiving

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._drop(len(data))
            return
        self._unset_keepalive_if_required()
        if self._deadline is None and not self.is_busy():
            self._deadline = self.loop.time() + self._limits.header_seconds
        self._has_progressed = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Only HTTP/1.1 is supported: the request is handled as if it had no Upgrade header.
            pass
        except httptools.HttpParserError:
            self._refuse(self._parser_error or _NOT_HTTP)
            return
        self._unparsed_bytes = 0 if self._has_progressed else self._unparsed_bytes + len(data)
        if self._unparsed_bytes > self._limits.header_bytes:
            self._refuse(self._headers_too_large())

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self._limits.pipelined:
            self._stop_parser(
                Unavailable("Too many requests were sent without waiting for their responses.")
            )
        super().on_message_begin()
        call_when_authenticated(self.scope["state"], self._mark_authenticated)
        self._phase = _Phase.HEADERS
        self._deadline = self.loop.time() + self._limits.header_seconds
        self._header_bytes = self._header_count = self._unread_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._header_bytes += len(url)
        self._check_headers()
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._header_bytes += len(name) + len(value) + _PER_HEADER_BYTES
        self._check_headers()
        if self._phase is _Phase.HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._has_progressed = True
        self._phase = _Phase.BODY
        self._deadline = self.loop.time() + self._limits.body_seconds
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._has_progressed = True
        if self._deadline is not None:
            self._deadline += len(body) / self._limits.least_bytes_per_second
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > self._limits.unread_bytes:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._has_progressed = True
        self._phase = _Phase.IDLE
        self._deadline = None
        super().on_message_complete()

    def _mark_authenticated(self) -> None:
        self._registry.mark_authenticated(self)

    def _check_headers(self) -> None:
        limits = self._limits
        if self._header_bytes > limits.header_bytes or self._header_count > limits.headers:
            self._stop_parser(self._headers_too_large())

    def _headers_too_large(self) -> HeadersTooLarge:
        kib = self._limits.header_bytes // 1024
        return HeadersTooLarge(
            f"A request may have at most {self._limits.headers} headers. The headers and the path "
            f"together may have at most {kib} KiB."
        )

    def _stop_parser(self, error: WhaleError) -> None:
        """Raise `error` out of a parser callback. The parser wraps it, so it is stored as well."""
        self._parser_error = error
        raise error

    # -- refusing

    def _refuse(self, error: WhaleError) -> None:
        """Send a problem response unless the response has started, and close the connection."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        metrics.HTTP_REFUSED.labels(error.code).inc()
        self._unset_keepalive_if_required()
        if self._phase is _Phase.BODY and self.is_busy():
            # The app must not wait for the rest of the body; a response that it has not started is
            # discarded.
            self.cycle.disconnected = not self.cycle.response_started
            self.cycle.message_event.set()
        if self.pipeline or (self.is_busy() and not self.cycle.disconnected):
            # Earlier requests are still in progress: close after the last of their responses.
            self._deadline = self.loop.time() + self._limits.write_seconds
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        self._deadline = self.loop.time() + _LINGER_SECONDS
        self._unread_bytes = 0
        request_id = new_id("req")
        self.transport.write(_response(error, request_id))
        self.transport.write_eof()
        self._log(error, request_id)

    def _log(self, error: WhaleError, request_id: str) -> None:
        """Log the response. No key is known here, and before the end of the headers no method."""
        log_response(
            request_id=request_id,
            method=self.scope["method"] if self._phase is _Phase.BODY else None,
            path=self.scope["path"] if self._phase is _Phase.BODY else None,
            status=problems.status_of(error),
            code=error.code,
        )

    def _drop(self, byte_count: int) -> None:
        self._unread_bytes += byte_count
        if self._unread_bytes > self._limits.unread_bytes:
            self.transport.close()


def _response(error: WhaleError, request_id: str) -> bytes:
    """A complete HTTP response with the error's problem document."""
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
