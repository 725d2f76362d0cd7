"""A server that does to each request what the test says, in order, and behaves after that.

Behaving, it awards points as the API does: once per Idempotency-Key, and on every request without one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from msgspec import Struct

Manner = Callable[["Misbehaving", web.Request], Awaitable[web.StreamResponse]]


class Seen(Struct, frozen=True):
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def key(self) -> str | None:
        return self.headers.get("Idempotency-Key")


class Misbehaving:
    """The server; `seen` is what came in, `effects` what it did, by idempotency key, `connections`
    over which connections it came."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.effects: dict[str, dict[str, Any]] = {}
        self.connections: set[object] = set()
        self._manners: list[Manner] = []
        self._default: Manner = behave
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def will(self, *manners: Manner) -> None:
        """Treat the next requests so, one each."""
        self._manners += manners

    def always(self, manner: Manner) -> None:
        """Treat all requests so."""
        self._default = manner

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        return runner

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        body = await request.read()
        seen = Seen(request.method, request.path_qs, request.headers, body, time.monotonic())
        self.seen.append(seen)
        manner = self._manners.pop(0) if self._manners else self._default
        return await manner(self, request)

    def act(self, request: web.Request) -> dict[str, Any]:
        """Award the points, unless the key says that it was done."""
        key = request.headers.get("Idempotency-Key") or f"none, request {len(self.seen)}"
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


async def behave(server: Misbehaving, request: web.Request) -> web.StreamResponse:
    return web.json_response(server.act(request), status=201)


async def cut_before(_server: Misbehaving, request: web.Request) -> web.StreamResponse:
    """The connection breaks before anything happened."""
    return _cut(request)


async def cut_after(server: Misbehaving, request: web.Request) -> web.StreamResponse:
    """The connection breaks when it has happened, before the answer."""
    server.act(request)
    return _cut(request)


async def half(server: Misbehaving, request: web.Request) -> web.StreamResponse:
    """The connection breaks in the middle of the answer."""
    server.act(request)
    response = web.StreamResponse(status=201, headers={"Content-Type": "application/json"})
    response.content_length = 1_000
    await response.prepare(request)
    await response.write(b'{"id": "txn_')
    return _cut(request)


def _cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def slow(seconds: float) -> Manner:
    """It happens at once, and is answered so much later."""

    async def manner(server: Misbehaving, request: web.Request) -> web.StreamResponse:
        done = server.act(request)
        await asyncio.sleep(seconds)
        return web.json_response(done, status=201)

    return manner


async def drip(_server: Misbehaving, request: web.Request) -> web.StreamResponse:
    """An answer that comes drop by drop and never ends."""
    response = web.StreamResponse(status=201, headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)
    except (ConnectionError, asyncio.CancelledError):
        return response


def refuse(
    status: int, code: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> Manner:
    """A problem of the API's."""

    async def manner(_server: Misbehaving, _request: web.Request) -> web.StreamResponse:
        problem = {
            "type": f"/problems/{code}",
            "title": "Refused",
            "status": status,
            "detail": "It cannot be.",
            "instance": "req_server",
            "code": code,
            **members,
        }
        return web.json_response(
            problem, status=status, headers=headers, content_type="application/problem+json"
        )

    return manner


def raw(status: int, body: bytes, *, kind: str = "application/json", **headers: str) -> Manner:
    """An answer as it stands."""

    async def manner(server: Misbehaving, request: web.Request) -> web.StreamResponse:
        if status < 300:
            server.act(request)
        return web.Response(status=status, body=body, content_type=kind, headers=headers)

    return manner


async def echo(_server: Misbehaving, request: web.Request) -> web.StreamResponse:
    """A proxy that is too talkative: it repeats the request's headers."""
    text = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return web.Response(status=500, text=f"<pre>{text}</pre>", content_type="text/html")


async def echo_in_problem(_server: Misbehaving, request: web.Request) -> web.StreamResponse:
    """The same in the API's own form."""
    sent = request.headers["Authorization"]
    problem = {"code": "unauthenticated", "detail": f"{sent} is unknown", "sent": {"it": [sent]}}
    return web.json_response(problem, status=401)


def pages(*pages: list[dict[str, Any]]) -> Manner:
    """A list in these pages; each is asked for by the id of the last item before it."""

    async def manner(_server: Misbehaving, request: web.Request) -> web.StreamResponse:
        asked = request.query.get("starting_after")
        before = [page[-1]["id"] for page in pages[:-1]]
        place = before.index(asked) + 1 if asked else 0
        total = sum(len(page) for page in pages)
        has_more = place + 1 < len(pages)
        return web.json_response({"data": pages[place], "total": total, "has_more": has_more})

    return manner
