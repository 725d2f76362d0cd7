"""The edge of the gateway, before every page outside /v1: the pace of unauthenticated requests, HEAD as
GET, and security headers."""

from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from libs.kernel.errors import Unavailable
from libs.kernel.ids import new_id
from libs.web import health, problems
from libs.web.app import head_as_get
from services.gateway.handlers.pacer import Pacer

_V1: Final = "/v1"
_CSP: Final = b"content-security-policy"
# Nothing is loaded and nothing frames the page. A page that needs more sends its own policy.
_NOTHING: Final = b"default-src 'none'; frame-ancestors 'none'"
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
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
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_security(list(message["headers"]))
            await send(message)

        try:
            # A probe must not wait behind other requests; its result is cached for a second.
            if not scope["path"].startswith(health.PREFIX):
                await self._unauthenticated.wait()
        except Unavailable as refusal:
            await problems.send_problem(secured, refusal, new_id("req"))
            return
        await self._app(head_as_get(scope), receive, secured)


def _is_v1(path: str) -> bool:
    return path == _V1 or path.startswith(f"{_V1}/")


def _with_security(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = any(name.lower() == _CSP for name, _ in headers)
    return [*headers, *_SECURITY, *(() if own else ((_CSP, _NOTHING),))]
