"""Graceful shutdown: a process stops without failing a request.

In this order: the process reports that it is not ready, and accepts no new connections; a request on
a kept-alive connection gets a response with `Connection: close`; requests in progress finish; the
app stops its background services (its lifespan); the last spans are sent; the process exits. Callers
retry requests that they could not send (libs.http_client).
"""

import asyncio
import os
import socket
import threading
from typing import Final

import uvicorn
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from libs.observability import logging, tracing

# For requests in progress at the time of the signal; most take milliseconds.
GRACE_SECONDS: Final = 9
# For everything together: less than orchestrators wait before they kill. Work that is aborted then is
# either committed or rolled back, as after a crash.
_STOP_SECONDS: Final = 14.5
# A busy caller sends on its kept-alive connection well within this time.
_LAST_REQUEST_SECONDS: Final = 1.0
_LAST_REQUEST_CHECKS: Final = 50

log = logging.get(__name__)


class StoppableApp:
    """An ASGI app that is not ready once `stopping` is set, whatever its own checks return."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app, but respond 503 to `/health/ready` while stopping."""
        if not (
            self.stopping and scope["type"] == ScopeType.HTTP and scope["path"] == "/health/ready"
        ):
            await self._app(scope, receive, send)
            return
        body = b'{"status":"not ready","failing":{"process":"stopping"}}'
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


class GracefulServer(uvicorn.Server):
    """A uvicorn server that shuts down in the module's order. uvicorn alone would close kept-alive
    connections at the signal, while requests are on their way."""

    def __init__(self, config: uvicorn.Config, app: StoppableApp) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down in the module's order; exits the process if that takes too long."""
        self._app.stopping = True
        limit = threading.Timer(_STOP_SECONDS, _exit_now)
        limit.daemon = True
        limit.start()
        for server in self.servers:
            server.close()
        # In place: a response in progress takes its headers from this list.
        self.server_state.default_headers.append((b"connection", b"close"))
        await self._wait_for_last_requests()
        await super().shutdown(sockets)
        await asyncio.to_thread(tracing.stop)

    async def _wait_for_last_requests(self) -> None:
        for _ in range(_LAST_REQUEST_CHECKS):
            if not self.server_state.connections:
                return
            await asyncio.sleep(_LAST_REQUEST_SECONDS / _LAST_REQUEST_CHECKS)


def _exit_now() -> None:
    log.error("shutdown_incomplete", seconds=_STOP_SECONDS)
    os._exit(1)
