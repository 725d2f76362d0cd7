"""How a process stops so that its callers notice nothing.

In this order: it is not ready, and takes no new connections; a request that comes on a kept
connection gets a response that says it was the last; what runs is finished; the app ends its own
work (its lifespan); the process exits. Callers send again what could not be sent (libs.http_client).
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

# Requests that run when the process is stopped may take so long; most take milliseconds.
GRACE_SECONDS: Final = 9
# Everything together, shorter than what orchestrators wait before they kill. What is cut off then
# is either committed or rolled back, as after a crash.
_STOP_SECONDS: Final = 14.5
# A caller with work to do sends on a kept connection well within this time.
_LAST_REQUEST_SECONDS: Final = 1.0
_LOOKS: Final = 50

log = logging.get(__name__)


class Readiness:
    """The app, whose readiness is denied once `stopping` is set, whatever its own checks say."""

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
    """uvicorn with the order above; it would close kept connections at the moment of the signal,
    under requests that are on their way."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness) -> None:
        super().__init__(config)
        self._readiness = readiness

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as the module says."""
        self._readiness.stopping = True
        limit = threading.Timer(_STOP_SECONDS, _exit_now)
        limit.daemon = True
        limit.start()
        for server in self.servers:
            server.close()
        # In place: a response that is being made takes its headers from this very list.
        self.server_state.default_headers.append((b"connection", b"close"))
        await self._answer_last_requests()
        await super().shutdown(sockets)

    async def _answer_last_requests(self) -> None:
        for _ in range(_LOOKS):
            if not self.server_state.connections:
                return
            await asyncio.sleep(_LAST_REQUEST_SECONDS / _LOOKS)


def _exit_now() -> None:
    log.error("stop_incomplete", seconds=_STOP_SECONDS)
    os._exit(1)
