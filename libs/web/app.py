"""The frame of a service's HTTP app: who may call, request ids, errors as problems, health."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, cast

import structlog
from litestar import Litestar, Request, Response, get
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.middleware import ASGIMiddleware
from litestar.types import (
    ASGIApp,
    ControllerRouterHandler,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
)

from libs.kernel.errors import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
    Unavailable,
    WhaleError,
)
from libs.kernel.ids import new_id
from libs.observability import logging, metrics, tracing
from libs.persistence.errors import is_transient
from libs.web import problems

REQUEST_ID: Final = b"x-request-id"
_TRACEPARENT: Final = tracing.HEADER.encode()

# A readiness check that hangs must not hang the one who asks.
_CHECK_SECONDS: Final = 2.0

Check = Callable[[], Awaitable[None]]
Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]

log = logging.get(__name__)


def create_app(
    *,
    routes: Sequence[ControllerRouterHandler],
    internal_token: str,
    checks: Mapping[str, Check],
    lifespan: Sequence[Lifespan],
    state: Mapping[str, Any],
) -> Litestar:
    """An app that only our own services may call, and anyone for its health.

    `checks` raise while the service is not ready; `state` is what the routes need.
    """
    app = Litestar(
        route_handlers=[*routes, *health_routes(checks)],
        middleware=[Frame(internal_token)],
        exception_handlers={Exception: answer_error},
        lifespan=list(lifespan),
        openapi_config=None,
        logging_config=None,
    )
    app.state.update(dict(state))
    return app


class Frame(ASGIMiddleware):
    """Names each request, checks who calls, and measures."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, internal_token: str) -> None:
        self._expected = f"Bearer {internal_token}".encode()

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run the request with its id bound to every log line it writes."""
        scope = cast("HTTPScope", scope)
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
            if not scope["path"].startswith("/health/") and not hmac.compare_digest(
                headers.get(b"authorization", b""), self._expected
            ):
                raise Unauthenticated("Only our own services may call this one.")
            with tracing.carried(headers.get(_TRACEPARENT, b"").decode("latin-1")):
                await next_app(scope, receive, watch)
        finally:
            metrics.HTTP_SECONDS.labels(
                scope.get("path_template", ""), scope["method"], str(status)
            ).observe(time.perf_counter() - started)
            structlog.contextvars.clear_contextvars()


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
    if isinstance(error, HTTPException) and error.status_code == 404:
        return NotFound("There is nothing at this path.")
    if isinstance(error, HTTPException) and error.status_code == 405:
        return MethodNotAllowed(
            "This path does not take this method.", allow=_methods(error.headers)
        )
    if is_transient(error):
        log.warning("store_away", error=repr(error))
        return Unavailable("The service cannot reach its store. Try again in a moment.")
    log.error("defect", path=request.url.path, exc_info=error)
    return InternalError("Something went wrong on our side. It has been logged.")


def _methods(headers: Mapping[str, str] | None) -> tuple[str, ...]:
    return tuple((headers or {}).get("Allow", "").replace(" ", "").split(","))


def health_routes(checks: Mapping[str, Check]) -> list[ControllerRouterHandler]:
    """`/health/live`: the process answers. `/health/ready`: it can do its work, or why not."""

    @get("/health/live", operation_id="live", sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/health/ready", operation_id="ready")
    async def ready() -> Response[dict[str, Any]]:
        faults = await failing(checks)
        if faults:
            return Response({"status": "not ready", "failing": faults}, status_code=503)
        return Response({"status": "ready"}, status_code=200)

    return [live, ready]


async def failing(checks: Mapping[str, Check]) -> dict[str, str]:
    """The checks that fail now, each with its reason."""

    async def run(check: Check) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except TimeoutError:
            return "no answer in time"
        except Exception as error:  # noqa: BLE001  whatever it is, it is why we are not ready
            return str(error) or type(error).__name__
        return None

    found = await asyncio.gather(*(run(check) for check in checks.values()))
    return {name: fault for name, fault in zip(checks, found, strict=True) if fault is not None}
