"""/dashboard: every request is forwarded to the dashboard, which has sessions of its own.

While no process of it responds, a reader gets a page that says so, and everybody else a problem document.
"""

from collections.abc import Mapping
from typing import Final, cast

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from libs.contracts.headers import REQUEST_ID
from libs.contracts.operations import BODY_BYTES
from libs.http_client.connections import ServiceResponse
from libs.http_client.service_client import ServiceClient
from libs.kernel.errors import Unavailable
from libs.web import problems
from services.gateway.api.bodies import BodyMemory, read_body
from services.gateway.api.pages import content_policy
from services.gateway.api.rendering import TEMPLATES

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
            try:
                response = await service.send(
                    scope["method"], _target(scope), _headers_on(scope, headers), body
                )
            except Unavailable as error:
                if not _is_read_by_person(headers):
                    raise
                response = _unavailable(scope, error)
        start = [*response.headers, (b"content-length", str(len(response.body)).encode())]
        await send({"type": "http.response.start", "status": response.status, "headers": start})
        await send({"type": "http.response.body", "body": response.body, "more_body": False})

    return forward


def _is_read_by_person(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the browser shows the response as a page; htmx would put it into one."""
    return b"text/html" in headers.get(b"accept", b"") and b"hx-request" not in headers


def _unavailable(scope: HTTPScope, error: Unavailable) -> ServiceResponse:
    """The page for the time when no process of the dashboard responds."""
    scope["state"][problems.CODE] = error.code
    is_write = scope["method"] not in {"GET", "HEAD"}
    page = TEMPLATES.render(
        "dashboard_unavailable.html",
        {
            "is_write": is_write,
            "address": PATH if is_write else _target(scope),
            "request_id": scope["state"]["request_id"],
        },
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": content_policy(page),
        **problems.headers_of(error),
    }
    return ServiceResponse(
        status=problems.status_of(error),
        headers=[(name.lower().encode(), value.encode()) for name, value in headers.items()],
        body=page.encode(),
    )


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
