"""How a process stops so that its callers notice nothing.

In this order: it is not ready and accepts no new connections; a request that arrives on an open
connection gets a response with `Connection: close`; running requests are finished; the app stops its
background work (its lifespan); the process exits. Clients resend requests that were not accepted
(libs.http_client).
"""

import asyncio
import os
import socket
import threading
from typing import Final

import uvicorn
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from libs.observability import logging

# Requests that run when the process is stopped may take this long; most take milliseconds.
GRACE_SECONDS: Final = 9
# The limit for everything together, shorter than orchestrators wait before they kill a process. A
# transaction that is cut off is either committed or rolled back, as after a crash.
_STOP_SECONDS: Final = 14.5
# A client that has work sends on an open connection well within this time.
_LAST_REQUEST_SECONDS: Final = 1.0
_POLLS: Final = 50

log = logging.get(__name__)


class Readiness:
    """The app; once `stopping` is set it is not ready, whatever its own checks return."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond 503 to `/health/ready` while stopping."""
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


class OrderlyServer(uvicorn.Server):
    """uvicorn, which stops in the order above. By default it would close open connections at the moment
    of the signal, while requests are on their way."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness) -> None:
        super().__init__(config)
        self._readiness = readiness

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in the order that the module describes."""
        self._readiness.stopping = True
        limit = threading.Timer(_STOP_SECONDS, _exit_now)
        limit.daemon = True
        limit.start()
        for server in self.servers:
            server.close()
        # In place, because responses in progress take their headers from this list.
        self.server_state.default_headers.append((b"connection", b"close"))
        await self._serve_last_requests()
        await super().shutdown(sockets)

    async def _serve_last_requests(self) -> None:
        for _ in range(_POLLS):
            if not self.server_state.connections:
                return
            await asyncio.sleep(_LAST_REQUEST_SECONDS / _POLLS)


def _exit_now() -> None:
    log.error("stop_incomplete", seconds=_STOP_SECONDS)
    os._exit(1)
