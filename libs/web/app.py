"""A service's HTTP app: authentication of internal callers, request ids, metrics, error responses."""

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import structlog
from litestar import Litestar, Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import (
    ASGIApp,
    ControllerRouterHandler,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
)

from libs.background.lifecycle import BackgroundService, running
from libs.contracts.headers import REQUEST_ID
from libs.contracts.operations import BATCH_BYTES
from libs.kernel.errors import (
    Fault,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    WhaleError,
)
from libs.kernel.ids import new_id
from libs.observability import logging, metrics, tracing
from libs.observability.requests import log_response
from libs.web import health, problems
from libs.web.connections import mark_authenticated
from libs.web.health import Check, InternalToken, Readiness, health_routes
from libs.web.progress import ReadProgress, progress_route

_REQUEST_ID: Final = REQUEST_ID.lower().encode()
_TRACEPARENT: Final = tracing.HEADER.encode()
_STORE: Final = re.compile(r"/(?:v1|internal)/stores/([^/]{1,128})")

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]
# Whether an error of a request means that the service's database is unavailable at the moment.
IsTransient = Callable[[BaseException], bool]
ErrorRenderer = Callable[[Request[Any, Any, Any], Exception], Response[Any]]

log = logging.get(__name__)


def create_app(
    *,
    routes: Sequence[ControllerRouterHandler],
    internal_token: str,
    checks: Mapping[str, Check],
    progress: ReadProgress | None = None,
    background: Sequence[BackgroundService],
    state: Mapping[str, Any],
    is_transient: IsTransient,
) -> ASGIApp:
    """An app that only the system's own services may call, except for its public health endpoints.

    A check raises while the service is not ready; `progress` reads how far its events are,
    if it has any. `background`
    starts and stops with the app. Routes find `state` in the app's state. A request that raises an
    error for which `is_transient` is true gets 503.
    """
    token = InternalToken(internal_token)
    readiness = Readiness(checks)
    app = Litestar(
        route_handlers=[
            *routes,
            *health_routes(readiness, token),
            *([] if progress is None else [progress_route(readiness, progress)]),
        ],
        request_max_body_size=BATCH_BYTES,
        exception_handlers={Exception: error_renderer(is_transient)},
        lifespan=[lifespan_of(background)],
        openapi_config=None,
        logging_config=None,
    )
    app.state.update(dict(state))
    return InternalApi(app, token)


def lifespan_of(background: Sequence[BackgroundService]) -> Lifespan:
    """A lifespan that starts `background` before the first request and stops it after the last."""

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with running(background):
            yield

    return lifespan


class InternalApi:
    """The ASGI entry of a service: authenticates the internal caller before anything about the
    service is revealed, gives each request an id, and measures it."""

    def __init__(self, app: Litestar, token: InternalToken) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request with its id bound to every log line it writes."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        scope = head_as_get(scope)
        headers = dict(scope["headers"])
        request_id = headers.get(_REQUEST_ID, b"").decode("latin-1") or new_id("req")
        scope["state"]["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        incoming = headers.get(_TRACEPARENT, b"").decode("latin-1")
        try:
            if scope["path"].startswith(health.PREFIX):
                # Probes are many, and no span of theirs is ever read.
                with tracing.use_trace(incoming):
                    await self._respond(scope, receive, send, request_id, headers)
                return
            with tracing.request_span(
                scope["method"], incoming, attributes={"whale.request_id": request_id}
            ) as span:
                status = await self._respond(scope, receive, send, request_id, headers)
                span.rename(f"{scope['method']} {scope.get('path_template', '')}")
                span.set_http_status(status)
        finally:
            structlog.contextvars.clear_contextvars()

    async def _respond(
        self,
        scope: HTTPScope,
        receive: Receive,
        send: Send,
        request_id: str,
        headers: Mapping[bytes, bytes],
    ) -> int:
        """Respond to the request, and measure it; returns the status."""
        started = time.perf_counter()
        status = 500

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._token.is_in(headers.get(b"authorization", b"")):
                mark_authenticated(scope["state"])
                structlog.contextvars.bind_contextvars(**_store_in(scope["path"]))
            elif not scope["path"].startswith(health.PREFIX):
                refusal = Unauthenticated(
                    "This endpoint is internal: only services of this system may call it."
                )
                await problems.send_problem(send_observed, refusal, request_id)
                log_response(
                    request_id=request_id,
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    code=refusal.code,
                    seconds=time.perf_counter() - started,
                )
                return status
            await self._app(scope, receive, send_observed)
            return status
        finally:
            metrics.HTTP_SECONDS.labels(
                scope.get("path_template", ""), scope["method"], str(status)
            ).observe(time.perf_counter() - started)


def _store_in(path: str) -> dict[str, str]:
    """The store that the path of an authenticated request names, for its log lines."""
    named = _STORE.match(path)
    return {} if named is None else {"store_id": named[1]}


def head_as_get(scope: HTTPScope) -> HTTPScope:
    """Treats HEAD as GET; the server then sends only the headers."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def error_renderer(is_transient: IsTransient) -> ErrorRenderer:
    """The function that renders the problem response to a request that raised an error."""

    def render_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        request_id = request.scope["state"].get("request_id") or request.headers.get(REQUEST_ID)
        refusal = _as_whale_error(request, error, is_transient)
        request.scope["state"][problems.CODE] = refusal.code
        return problems.problem_response(refusal, request_id or new_id("req"))

    return render_error


def _as_whale_error(
    request: Request[Any, Any, Any], error: Exception, is_transient: IsTransient
) -> WhaleError:
    """`error` as an error that callers know: a WhaleError unchanged, the framework's by its status, a
    transient one as Unavailable. Any other is logged and becomes an InternalError."""
    if isinstance(error, WhaleError):
        return error
    if isinstance(error, HTTPException) and (mapped := _map_framework_error(error)):
        return mapped
    if is_transient(error):
        log.warning("database_unavailable", error=repr(error))
        return Unavailable("The service cannot reach its database. Try again in a moment.")
    log.error("internal_error", path=request.url.path, exc_info=error)
    return InternalError(problems.INTERNAL_ERROR)


def _map_framework_error(error: HTTPException) -> WhaleError | None:
    match error.status_code:
        case 400:
            # An invalid Host header; the routes check everything else.
            return InvalidRequest(
                "The Host header is not valid.",
                errors=[Fault(detail="is not valid", header="Host")],
            )
        case 404:
            return NotFound(
                "There is nothing at this path. The API reference at /docs lists every path."
            )
        case 405:
            return MethodNotAllowed(
                "This path does not support this method; the `Allow` header lists those it supports.",
                allow=_allowed_methods(error.headers),
            )
        case 413:
            return TooLarge(
                f"The body has more than {BATCH_BYTES:,} bytes, which is the most that is allowed."
            )
        case _:
            return None


def _allowed_methods(headers: Mapping[str, str] | None) -> tuple[str, ...]:
    return tuple((headers or {}).get("Allow", "").replace(" ", "").split(","))
