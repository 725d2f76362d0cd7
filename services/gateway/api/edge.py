"""The edge of the gateway, before every page outside /v1: the pace of unauthenticated requests, request
ids, HEAD as GET, and security headers."""

import time
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from libs.contracts.headers import REQUEST_ID
from libs.kernel.errors import Unavailable
from libs.kernel.ids import new_id
from libs.observability import tracing
from libs.observability.requests import FIRST_REFUSED_STATUS, log_response
from libs.web import health, problems
from libs.web.app import head_as_get
from services.gateway.handlers.pacer import Pacer

_V1: Final = "/v1"
_TRACEPARENT: Final = tracing.HEADER.encode()
# Nothing is loaded and nothing frames the page. A page that needs more sends its own headers.
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Edge:
    """The gateway's app. /v1 has checks of its own; all other paths need no key."""

    def __init__(self, app: ASGIApp, unauthenticated: Pacer) -> None:
        self._app = app
        self._unauthenticated = unauthenticated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or _is_v1(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._page(scope, receive, send)

    async def _page(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        is_probe = scope["path"].startswith(health.PREFIX)
        request_id = scope["state"]["request_id"] = new_id("req")
        started = time.perf_counter()
        page = head_as_get(scope)
        status = 500

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_security(list(message["headers"]))
                if message["status"] >= FIRST_REFUSED_STATUS and not is_probe:
                    message["headers"] = _with_request_id(list(message["headers"]), request_id)
                    log_response(
                        request_id=request_id,
                        method=scope["method"],
                        route=page.get("path_template") or None,
                        path=scope["path"],
                        status=message["status"],
                        code=scope["state"].get(problems.CODE),
                        seconds=time.perf_counter() - started,
                    )
            await send(message)

        try:
            # A probe must not wait behind other requests; its result is cached for a second.
            if not is_probe:
                await self._unauthenticated.wait()
        except Unavailable as refusal:
            scope["state"][problems.CODE] = refusal.code
            await problems.send_problem(send_observed, refusal, request_id)
            return
        if is_probe:
            await self._app(page, receive, send_observed)
            return
        incoming = dict(scope["headers"]).get(_TRACEPARENT, b"").decode("latin-1")
        attributes = {"whale.request_id": request_id}
        with tracing.request_span(scope["method"], incoming, attributes=attributes) as span:
            await self._app(page, receive, send_observed)
            span.rename(f"{scope['method']} {page.get('path_template', '')}")
            span.set_http_status(status)


def _is_v1(path: str) -> bool:
    return path == _V1 or path.startswith(f"{_V1}/")


def _with_security(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = {name.lower() for name, _ in headers}
    return [*headers, *(header for header in _SECURITY if header[0] not in own)]


def _with_request_id(
    headers: list[tuple[bytes, bytes]], request_id: str
) -> list[tuple[bytes, bytes]]:
    name = REQUEST_ID.lower().encode()
    others = [header for header in headers if header[0].lower() != name]
    return [*others, (name, request_id.encode())]
