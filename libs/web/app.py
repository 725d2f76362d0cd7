"""The frame of a service's HTTP app: who may call, request ids, errors as problems."""

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
from libs.persistence.errors import is_transient
from libs.web import health, problems
from libs.web.connections import peer_is_known
from libs.web.health import Check, InternalToken, health_routes

REQUEST_ID: Final = b"x-request-id"
_TRACEPARENT: Final = tracing.HEADER.encode()

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]

log = logging.get(__name__)


def create_app(
    *,
    routes: Sequence[ControllerRouterHandler],
    internal_token: str,
    checks: Mapping[str, Check],
    background: Sequence[BackgroundService],
    state: Mapping[str, Any],
) -> ASGIApp:
    """An app that only our own services may call, and anyone for its health.

    `checks` raise while the service is not ready; `background` starts and stops with the app;
    `state` is what the routes need.
    """
    token = InternalToken(internal_token)
    app = Litestar(
        route_handlers=[*routes, *health_routes(checks, token)],
        request_max_body_size=BATCH_BYTES,
        exception_handlers={Exception: answer_error},
        lifespan=[lifespan_of(background)],
        openapi_config=None,
        logging_config=None,
    )
    app.state.update(dict(state))
    return Frame(app, token)


def lifespan_of(background: Sequence[BackgroundService]) -> Lifespan:
    """The app's lifespan: `background` is started before the first request, stopped after the last."""

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with running(background):
            yield

    return lifespan


class Frame:
    """Stands before a service's app: checks who calls before anything else is said, names each
    request, and measures."""

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
        request_id = headers.get(REQUEST_ID, b"").decode("latin-1") or new_id("req")
        scope["state"]["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._token.is_in(headers.get(b"authorization", b"")):
                peer_is_known(scope["state"])
            elif not scope["path"].startswith(health.PREFIX):
                refusal = Unauthenticated("Only our own services may call this one.")
                await problems.send_problem(watch, refusal, request_id)
                return
            with tracing.use_trace(headers.get(_TRACEPARENT, b"").decode("latin-1")):
                await self._app(scope, receive, watch)
        finally:
            metrics.HTTP_SECONDS.labels(
                scope.get("path_template", ""), scope["method"], str(status)
            ).observe(time.perf_counter() - started)
            structlog.contextvars.clear_contextvars()


def head_as_get(scope: HTTPScope) -> HTTPScope:
    """A HEAD is answered as a GET is; the server sends the headers alone."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Any exception as the problem it stands for."""
    # A path that no route has never came through the frame.
    request_id = request.scope["state"].get("request_id") or request.headers.get("x-request-id")
    return problems.problem_response(as_whale_error(request, error), request_id or new_id("req"))


def as_whale_error(request: Request[Any, Any, Any], error: Exception) -> WhaleError:
    """Our own errors as they are, the framework's by their status, faults that pass as
    Unavailable, and anything else as a defect, which is logged."""
    if isinstance(error, WhaleError):
        return error
    if isinstance(error, HTTPException) and (known := _of_framework(error)):
        return known
    if is_transient(error):
        log.warning("store_away", error=repr(error))
        return Unavailable("The service cannot reach its store. Try again in a moment.")
    log.error("defect", path=request.url.path, exc_info=error)
    return InternalError("Something went wrong on our side. It has been logged.")


def _of_framework(error: HTTPException) -> WhaleError | None:
    match error.status_code:
        case 400:
            # A Host header that names no host; our routes judge the rest.
            return InvalidRequest(error.detail, errors=[Fault(detail=error.detail)])
        case 404:
            return NotFound("There is nothing at this path.")
        case 405:
            return MethodNotAllowed(
                "This path does not take this method.", allow=_methods(error.headers)
            )
        case 413:
            return TooLarge(f"The body has more than {BATCH_BYTES:,} bytes.")
        case _:
            return None


def _methods(headers: Mapping[str, str] | None) -> tuple[str, ...]:
    return tuple((headers or {}).get("Allow", "").replace(" ", "").split(","))
