"""/dashboard: every request is forwarded to the dashboard, which has sessions of its own."""

from typing import Final, cast

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from libs.contracts.headers import REQUEST_ID
from libs.contracts.operations import BODY_BYTES
from libs.http_client.service_client import ServiceClient
from services.gateway.api.bodies import BodyMemory, read_body

PATH: Final = "/dashboard"

RESPONSE_HEADERS: Final = (
    *("Content-Type", "Content-Encoding", "Set-Cookie", "Location", "Allow", "Retry-After"),
    *("Cache-Control", "Vary", "Content-Security-Policy", "Referrer-Policy"),
    *("HX-Redirect", "HX-Refresh", "HX-Push-Url", "HX-Retarget", "HX-Reswap", "HX-Trigger"),
    "X-Digest",
)
_REQUEST_HEADERS: Final = frozenset(
    (
        *(b"accept-encoding", b"content-type", b"cookie", b"origin"),
        *(b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"),
        *(b"hx-request", b"hx-target", b"hx-current-url", b"hx-history-restore-request"),
        *(b"x-csrf-token", b"x-digest", b"x-live"),
    )
)
# The bodies of readers who are not signed in share the memory of one key.
_BODIES: Final = b"dashboard"


def mount(service: ServiceClient, bodies: BodyMemory) -> ASGIRouteHandler:
    """The route of the dashboard and of all paths below it."""

    @asgi(PATH, is_mount=True, copy_scope=True)
    async def forward(scope: Scope, receive: Receive, send: Send) -> None:
        scope = cast("HTTPScope", scope)
        headers = dict(scope["headers"])
        with bodies.reserve(_BODIES) as hold:
            body = await read_body(receive, headers, limit=BODY_BYTES, hold=hold)
            response = await service.send(
                scope["method"], _target(scope), _headers_on(scope, headers), body
            )
        start = [*response.headers, (b"content-length", str(len(response.body)).encode())]
        await send({"type": "http.response.start", "status": response.status, "headers": start})
        await send({"type": "http.response.body", "body": response.body, "more_body": False})

    return forward


def _target(scope: HTTPScope) -> str:
    """The path and query as they were sent."""
    path = scope["raw_path"].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _headers_on(scope: HTTPScope, headers: dict[bytes, bytes]) -> dict[str, str]:
    """What the dashboard reads of the request, and where the reader's browser sent it."""
    passed = {
        name.decode(): value.decode("latin-1")
        for name, value in headers.items()
        if name in _REQUEST_HEADERS
    }
    host = headers.get(b"x-forwarded-host") or headers.get(b"host", b"")
    scheme = headers.get(b"x-forwarded-proto") or scope["scheme"].encode()
    return passed | {
        "X-Forwarded-Host": host.decode("latin-1"),
        "X-Forwarded-Proto": scheme.decode("latin-1"),
        REQUEST_ID: scope["state"]["request_id"],
    }
