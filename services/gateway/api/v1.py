"""/v1 as a plain ASGI app: every request is checked in the contract's order, then forwarded.

Who (401), the store (404), the path (404), the scope (403), the rate (429), the method (405), the
size (413), the kind of body (415), the depth of JSON and the size of its exponents (400). What else is
in the body is the owning service's to judge.
"""

import re
import time
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import quote

import structlog
from litestar.types import HTTPScope, Receive, Scope, Send
from msgspec import Struct

from libs.kernel.errors import (
    InsufficientScope,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Unavailable,
    UnsupportedMediaType,
    WhaleError,
)
from libs.kernel.ids import new_id
from libs.observability import logging, metrics, tracing
from libs.persistence.errors import is_transient
from libs.web import idempotency, json_bounds, problems
from libs.web.body import Faults
from libs.web.client import ServiceClient, Upstream
from libs.web.connections import peer_is_known
from services.gateway.api.routes import Route, methods_of
from services.gateway.domain import ApiKey
from services.gateway.handlers.authentication import Authenticator
from services.gateway.handlers.bodies import BodyMemory, read_body
from services.gateway.handlers.limits import RateLimiter

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_.:@+=/-]{1,128}")
_ME: Final = "me"
# /v1/stores/{store_id}/…
_STORE_SEGMENT: Final = 3
_NO_CONTENT: Final = 204
_PASSED_ON: Final = ("idempotency-key", "content-type")
_AUTHORIZATION: Final = b"authorization"
_IDEMPOTENCY_KEY: Final = b"idempotency-key"

log = logging.get(__name__)

Headers = dict[bytes, bytes]


class V1(Struct, frozen=True):
    """The app; what it works with is put together in the composition root."""

    authenticator: Authenticator
    limiter: RateLimiter
    bodies: BodyMemory
    services: Mapping[str, ServiceClient]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: with the owning service's answer, or with a problem."""
        scope = cast("HTTPScope", scope)
        headers: Headers = dict(scope["headers"])
        request_id = _request_id(headers)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        try:
            upstream = await self._answer(scope, receive, headers, request_id)
        except Exception as error:  # noqa: BLE001  every fault is answered, and told apart there
            upstream = _problem(error, request_id)
        await _send(send, upstream, request_id)
        metrics.HTTP_SECONDS.labels("/v1", scope["method"], str(upstream.status)).observe(
            time.perf_counter() - started
        )
        structlog.contextvars.clear_contextvars()

    async def _answer(
        self, scope: HTTPScope, receive: Receive, headers: Headers, request_id: str
    ) -> Upstream:
        if _differs(scope, _AUTHORIZATION):
            # Which of them counts is not ours to guess.
            headers.pop(_AUTHORIZATION)
        key = await self.authenticator.authenticate(headers.get(_AUTHORIZATION))
        peer_is_known(scope["state"])
        segments = _segments(scope)
        route = await self._admit(key, scope["method"], segments)
        with self.bodies.of(key.digest) as hold:
            body = await read_body(receive, headers, largest=route.largest_body, hold=hold)
            await self._admit_body(key, route, scope, headers, body)
            return await self.services[route.owner(scope["query_string"])].send(
                scope["method"],
                _target(scope, segments, key.store_id),
                _headers_on(headers, key, request_id),
                body,
            )

    async def _admit_body(
        self, key: ApiKey, route: Route, scope: HTTPScope, headers: Headers, body: bytes
    ) -> None:
        """Refuse what no service should have to read, and count what it stands for."""
        media_type = _media_type(headers)
        if body and media_type not in route.media_types:
            kinds = " or ".join(route.media_types)
            raise UnsupportedMediaType(f"Send the body with `Content-Type: {kinds}`.")
        faults = Faults()
        if _differs(scope, _IDEMPOTENCY_KEY):
            faults.header(idempotency.HEADER, "two different ones were sent")
        json_bounds.check(body, faults)
        faults.raise_if_any()
        # The first entry was counted before the body was read.
        if (further := route.entries(media_type, body) - 1) > 0:
            await self.limiter.take(key.digest.hex(), weight=further)

    async def _admit(self, key: ApiKey, method: str, segments: list[str]) -> Route:
        """The route of the request, where the key may use it now."""
        if segments[2:3] != ["stores"] or len(segments) <= _STORE_SEGMENT + 1:
            raise NotFound("There is nothing at this path.")
        if segments[_STORE_SEGMENT] not in {_ME, key.store_id}:
            raise NotFound("There is no such store.")
        methods = methods_of(tuple(segments[_STORE_SEGMENT + 1 :]))
        if methods is None:
            raise NotFound("There is nothing at this path.")
        route = methods.get(method)
        if route is not None and route.scope not in key.scopes:
            raise InsufficientScope(
                f"This key lacks the scope {route.scope}.", required=route.scope
            )
        await self.limiter.take(key.digest.hex(), weight=1 if route is None else route.weight)
        if route is None:
            raise MethodNotAllowed(
                f"This path takes {' and '.join(methods)}.", allow=tuple(methods)
            )
        return route


def _request_id(headers: Headers) -> str:
    """The caller's own id for the request where it has one of sane form, else a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else new_id("req")


def _differs(scope: HTTPScope, name: bytes) -> bool:
    """Whether the request has several headers of this name that say different things."""
    return len({value for header, value in scope["headers"] if header == name}) > 1


def _media_type(headers: Headers) -> str:
    """What the body is said to be, without parameters."""
    kind = headers.get(b"content-type", b"").partition(b";")[0]
    return kind.strip().lower().decode("latin-1")


def _segments(scope: HTTPScope) -> list[str]:
    """The path's segments, still encoded: an encoded slash is part of an id and parts nothing."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.decode("latin-1").split("/")


def _target(scope: HTTPScope, segments: list[str], store_id: str) -> str:
    """The path as it was sent, with the store's real id, and the query."""
    path = "/".join([*segments[:_STORE_SEGMENT], store_id, *segments[_STORE_SEGMENT + 1 :]])
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _headers_on(headers: Headers, key: ApiKey, request_id: str) -> dict[str, str]:
    passed = {
        "X-Request-Id": request_id,
        "X-Whale-Key-Id": key.id,
        "X-Whale-Key-Name": key.name.encode("ascii", "replace").decode(),
        tracing.HEADER: tracing.traceparent(headers.get(b"traceparent", b"").decode("latin-1")),
    }
    for name in _PASSED_ON:
        value = headers.get(name.encode())
        if value is not None:
            passed[name] = value.decode("latin-1")
    return passed


def _problem(error: Exception, request_id: str) -> Upstream:
    shown = _as_whale_error(error)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode())]
    headers += [
        (name.lower().encode(), value.encode())
        for name, value in problems.headers_of(shown).items()
    ]
    return Upstream(problems.status_of(shown), headers, problems.body_of(shown, request_id))


def _as_whale_error(error: Exception) -> WhaleError:
    if isinstance(error, WhaleError):
        return error
    if is_transient(error):
        log.warning("store_away", error=repr(error))
        return Unavailable("The gateway cannot reach its store. Try again in a moment.")
    log.error("defect", exc_info=error)
    return InternalError("Something went wrong on our side. It has been logged.")


async def _send(send: Send, upstream: Upstream, request_id: str) -> None:
    headers = [*upstream.headers, (b"x-request-id", request_id.encode())]
    if upstream.status == _NO_CONTENT:
        # There is no body, so nothing may describe one.
        headers = [header for header in headers if header[0] != b"content-type"]
    else:
        headers.append((b"content-length", str(len(upstream.body)).encode()))
    await send({"type": "http.response.start", "status": upstream.status, "headers": headers})
    await send({"type": "http.response.body", "body": upstream.body, "more_body": False})
