"""An HTTP server with programmable faults: one behavior per request in order, then the default.

By default it succeeds as the API does: it awards points once per Idempotency-Key, and on every request
without a key.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from msgspec import Struct

Behavior = Callable[["FaultServer", web.Request], Awaitable[web.StreamResponse]]


class ReceivedRequest(Struct, frozen=True):
    """A request, with the monotonic time of its arrival."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def key(self) -> str | None:
        return self.headers.get("Idempotency-Key")


class FaultServer:
    """The server. `requests` and `connections` record what arrived, `effects` the awards by idempotency
    key."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.effects: dict[str, dict[str, Any]] = {}
        self.connections: set[object] = set()
        self._behaviors: list[Behavior] = []
        self._default: Behavior = succeed
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def enqueue(self, *behaviors: Behavior) -> None:
        """Use these behaviors for the next requests, one each."""
        self._behaviors += behaviors

    def set_default(self, behavior: Behavior) -> None:
        """Use this behavior for every request without an enqueued one."""
        self._default = behavior

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._respond)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        return runner

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        body = await request.read()
        self.requests.append(
            ReceivedRequest(
                request.method, request.path_qs, request.headers, body, time.monotonic()
            )
        )
        behavior = self._behaviors.pop(0) if self._behaviors else self._default
        return await behavior(self, request)

    def award_once(self, request: web.Request) -> dict[str, Any]:
        """Award the points, unless an earlier request with the key did."""
        key = request.headers.get("Idempotency-Key") or f"none, request {len(self.requests)}"
        return self.effects.setdefault(key, transaction(f"txn_{len(self.effects)}"))


def transaction(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "customer_id": "cust_1",
        "type": "earn",
        "points": 500,
        "reason": "Birthday bonus",
        "balance_after": 500,
        "created_at": "2026-03-10T12:00:00.000Z",
    }


async def succeed(server: FaultServer, request: web.Request) -> web.StreamResponse:
    return web.json_response(server.award_once(request), status=201)


async def disconnect_before_effect(
    _server: FaultServer, request: web.Request
) -> web.StreamResponse:
    """The connection breaks before the award."""
    return _abort(request)


async def disconnect_after_effect(server: FaultServer, request: web.Request) -> web.StreamResponse:
    """The connection breaks after the award, before the response."""
    server.award_once(request)
    return _abort(request)


async def disconnect_mid_response(server: FaultServer, request: web.Request) -> web.StreamResponse:
    """The connection breaks after the award, in the middle of the response."""
    server.award_once(request)
    response = web.StreamResponse(status=201, headers={"Content-Type": "application/json"})
    response.content_length = 1_000
    await response.prepare(request)
    await response.write(b'{"id": "txn_')
    return _abort(request)


def _abort(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def delayed(seconds: float) -> Behavior:
    """The award happens immediately, the response arrives `seconds` later."""

    async def behavior(server: FaultServer, request: web.Request) -> web.StreamResponse:
        award = server.award_once(request)
        await asyncio.sleep(seconds)
        return web.json_response(award, status=201)

    return behavior


async def trickle(_server: FaultServer, request: web.Request) -> web.StreamResponse:
    """A response whose body trickles in and never ends."""
    response = web.StreamResponse(status=201, headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)
    except (ConnectionError, asyncio.CancelledError):
        return response


def problem_response(
    status: int, code: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> Behavior:
    """An error of the API, as a problem document."""

    async def behavior(_server: FaultServer, _request: web.Request) -> web.StreamResponse:
        problem = {
            "type": f"/problems/{code}",
            "title": "Refused",
            "status": status,
            "detail": "The request was refused.",
            "instance": "req_server",
            "code": code,
            **members,
        }
        return web.json_response(
            problem, status=status, headers=headers, content_type="application/problem+json"
        )

    return behavior


def raw_response(
    status: int, body: bytes, *, media_type: str = "application/json", **headers: str
) -> Behavior:
    """A response with exactly this body."""

    async def behavior(server: FaultServer, request: web.Request) -> web.StreamResponse:
        if status < 300:
            server.award_once(request)
        return web.Response(status=status, body=body, content_type=media_type, headers=headers)

    return behavior


async def echo_headers(_server: FaultServer, request: web.Request) -> web.StreamResponse:
    """A proxy's error page that repeats the request's headers."""
    text = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return web.Response(status=500, text=f"<pre>{text}</pre>", content_type="text/html")


async def echo_in_problem(_server: FaultServer, request: web.Request) -> web.StreamResponse:
    """A problem document that repeats the Authorization header."""
    sent = request.headers["Authorization"]
    problem = {"code": "unauthenticated", "detail": f"{sent} is unknown", "sent": {"it": [sent]}}
    return web.json_response(problem, status=401)


def paginated(*pages: list[dict[str, Any]]) -> Behavior:
    """A list in these pages; `starting_after` is the id of the previous page's last item."""

    async def behavior(_server: FaultServer, request: web.Request) -> web.StreamResponse:
        cursor = request.query.get("starting_after")
        cursors = [page[-1]["id"] for page in pages[:-1]]
        index = cursors.index(cursor) + 1 if cursor else 0
        total = sum(len(page) for page in pages)
        has_more = index + 1 < len(pages)
        return web.json_response({"data": pages[index], "total": total, "has_more": has_more})

    return behavior
