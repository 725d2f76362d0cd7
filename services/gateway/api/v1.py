"""/v1 as a plain ASGI app: every request is checked in the order of the API's documentation, and then
forwarded, except for the few operations that are the gateway's own.

The order: key (401), store (404), path (404), scope (403), rate (429), method (405), size (413), media
type (415), depth of the JSON and size of its exponents (400). The owning service checks everything else
in the body.
"""

import re
import time
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import quote, unquote

import msgspec
import structlog
from litestar.types import HTTPScope, Receive, Scope, Send
from msgspec import Struct

from libs.contracts.headers import IDEMPOTENCY_KEY, KEY_ID, KEY_NAME, KEY_SCOPES, REQUEST_ID
from libs.http_client.connections import ServiceResponse
from libs.http_client.service_client import ServiceClient
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
from libs.observability.requests import FIRST_REFUSED_STATUS, log_response
from libs.persistence.errors import is_transient
from libs.web import json_bounds, problems
from libs.web.body import Faults
from libs.web.connections import mark_authenticated
from libs.web.problems import INTERNAL_ERROR
from services.gateway.api.bodies import BodyMemory, Disconnected, read_body
from services.gateway.api.own_operations import OwnOperations
from services.gateway.api.routes import Route, methods_of, no_such_path
from services.gateway.domain import ApiKey
from services.gateway.handlers.authentication import Authenticator
from services.gateway.handlers.rate_limits import RateLimiter

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_.:@+=/-]{1,128}")
_ME: Final = "me"
# The same for stores that exist and stores that do not.
_OTHER_STORE: Final = (
    "This API key belongs to another store. Use `me` in place of the store id: /v1/stores/me/…"
)
# /v1/stores/{store_id}/…
_STORE_SEGMENT: Final = 3
_NO_CONTENT: Final = 204
_PASSED_ON: Final = ("idempotency-key", "content-type")
_AUTHORIZATION: Final = b"authorization"
_TRACEPARENT: Final = tracing.HEADER.encode()
_IDEMPOTENCY_KEY: Final = b"idempotency-key"

log = logging.get(__name__)

Headers = dict[bytes, bytes]


class _Seen(Struct):
    """What is known of a request so far: its key, and its route with placeholders."""

    key: ApiKey | None = None
    route: str | None = None


class _Coded(Struct):
    """The part of a problem document that names its code."""

    code: str | None = None


class V1(Struct, frozen=True):
    """The app; the composition root constructs its parts."""

    authenticator: Authenticator
    limiter: RateLimiter
    bodies: BodyMemory
    services: Mapping[str, ServiceClient]
    own_operations: OwnOperations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request: with the response of the owner, or with a problem."""
        scope = cast("HTTPScope", scope)
        headers: Headers = dict(scope["headers"])
        request_id = _request_id(headers)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        with tracing.request_span(
            scope["method"],
            headers.get(_TRACEPARENT, b"").decode("latin-1"),
            attributes={"whale.request_id": request_id},
        ) as span:
            seen = _Seen()
            span.set_http_status(await self._call(scope, receive, send, headers, request_id, seen))
            span.rename(f"{scope['method']} {seen.route or '/v1'}")
        structlog.contextvars.clear_contextvars()

    async def _call(
        self,
        scope: HTTPScope,
        receive: Receive,
        send: Send,
        headers: Headers,
        request_id: str,
        seen: _Seen,
    ) -> int:
        """Respond to the request, measure and log it; returns the status."""
        started = time.perf_counter()
        is_connected = True
        try:
            response = await self._respond(scope, receive, headers, request_id, seen)
        except Exception as error:  # noqa: BLE001  every exception becomes a response
            response = _problem(error, request_id)
            is_connected = not isinstance(error, Disconnected)
        await _send(send, response, request_id)
        seconds = time.perf_counter() - started
        metrics.HTTP_SECONDS.labels("/v1", scope["method"], str(response.status)).observe(seconds)
        if is_connected and response.status >= FIRST_REFUSED_STATUS:
            _log(response, request_id, scope, seen, seconds)
        return response.status

    async def _respond(
        self, scope: HTTPScope, receive: Receive, headers: Headers, request_id: str, seen: _Seen
    ) -> ServiceResponse:
        key = seen.key = await self.authenticator.authenticate(_values(scope, _AUTHORIZATION))
        mark_authenticated(scope["state"])
        structlog.contextvars.bind_contextvars(store_id=key.store_id)
        segments = _segments(scope)
        route = await self._admit(key, scope["method"], segments, seen)
        with self.bodies.reserve(key.digest) as hold:
            body = await read_body(receive, headers, limit=route.largest_body, hold=hold)
            await self._admit_body(key, route, scope, headers, body)
            owner = route.owner(scope["query_string"])
            if owner == "gateway":
                return await self.own_operations.respond(
                    route.operation, key, scope["query_string"]
                )
            return await self.services[owner].send(
                scope["method"],
                _target(scope, segments, key.store_id),
                _headers_on(headers, key, request_id),
                body,
            )

    async def _admit_body(
        self, key: ApiKey, route: Route, scope: HTTPScope, headers: Headers, body: bytes
    ) -> None:
        """Refuse a body that no service should read, and count the requests that it stands for."""
        media_type = _media_type(headers)
        if body and media_type not in route.media_types:
            kinds = " or ".join(route.media_types)
            raise UnsupportedMediaType(f"Send the body with `Content-Type: {kinds}`.")
        faults = Faults()
        if _differs(scope, _IDEMPOTENCY_KEY):
            faults.header(IDEMPOTENCY_KEY, "must not be sent with two different values")
        json_bounds.check(body, faults)
        faults.raise_if_any()
        # The first entry was counted before the body was read.
        if (further := route.entries(media_type, body) - 1) > 0:
            await self.limiter.take(key.digest.hex(), weight=further)

    async def _admit(self, key: ApiKey, method: str, segments: list[str], seen: _Seen) -> Route:
        """The route of the request. Raises the refusal where the key may not use it now."""
        if segments[2:3] != ["stores"] or len(segments) <= _STORE_SEGMENT + 1:
            raise NotFound(no_such_path(segments[2:]))
        if segments[_STORE_SEGMENT] not in {_ME, key.store_id}:
            raise NotFound(_OTHER_STORE)
        inside = segments[_STORE_SEGMENT + 1 :]
        methods = methods_of(tuple(inside))
        if methods is None:
            raise NotFound(no_such_path(inside))
        seen.route = next(iter(methods.values())).path
        route = methods.get(method)
        if route is not None and route.scope is not None and route.scope not in key.scopes:
            raise InsufficientScope(
                f"This operation needs the scope {route.scope}. This key has: "
                f"{', '.join(sorted(key.scopes))}. `make key STORE={key.store_id} SCOPES={route.scope}` creates "
                "one with the scope.",
                required=route.scope,
            )
        await self.limiter.take(key.digest.hex(), weight=1 if route is None else route.weight)
        if route is None:
            raise MethodNotAllowed(
                f"This path supports only {' and '.join(methods)}.", allow=tuple(methods)
            )
        return route


def _request_id(headers: Headers) -> str:
    """The caller's own id for the request if it is well-formed, else a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else new_id("req")


def _differs(scope: HTTPScope, name: bytes) -> bool:
    """Whether the request has this header several times, with different values."""
    return len(_values(scope, name)) > 1


def _values(scope: HTTPScope, name: bytes) -> set[bytes]:
    """The different values of this header."""
    return {value for header, value in scope["headers"] if header == name}


def _media_type(headers: Headers) -> str:
    """The media type of the body, without parameters."""
    kind = headers.get(b"content-type", b"").partition(b";")[0]
    return kind.strip().lower().decode("latin-1")


def _segments(scope: HTTPScope) -> list[str]:
    """The path's segments, still encoded: an encoded slash is part of an id and separates nothing."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.decode("latin-1").split("/")


def _target(scope: HTTPScope, segments: list[str], store_id: str) -> str:
    """The path as it was sent, with the store's real id, and the query."""
    path = "/".join([*segments[:_STORE_SEGMENT], store_id, *segments[_STORE_SEGMENT + 1 :]])
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _headers_on(headers: Headers, key: ApiKey, request_id: str) -> dict[str, str]:
    passed = {
        REQUEST_ID: request_id,
        KEY_ID: key.id,
        KEY_SCOPES: ",".join(sorted(key.scopes)),
        KEY_NAME: key.name.encode("ascii", "replace").decode(),
    }
    for name in _PASSED_ON:
        value = headers.get(name.encode())
        if value is not None:
            passed[name] = value.decode("latin-1")
    return passed


def _problem(error: Exception, request_id: str) -> ServiceResponse:
    refusal = _as_whale_error(error)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode())]
    headers += [
        (name.lower().encode(), value.encode())
        for name, value in problems.headers_of(refusal).items()
    ]
    return ServiceResponse(
        problems.status_of(refusal), headers, problems.body_of(refusal, request_id)
    )


def _as_whale_error(error: Exception) -> WhaleError:
    if isinstance(error, WhaleError):
        return error
    if is_transient(error):
        log.warning("database_unavailable", error=repr(error))
        return Unavailable("The gateway cannot reach its database. Try again in a moment.")
    log.error("internal_error", exc_info=error)
    return InternalError(INTERNAL_ERROR)


def _log(
    response: ServiceResponse, request_id: str, scope: HTTPScope, seen: _Seen, seconds: float
) -> None:
    key = seen.key
    try:
        code = msgspec.json.decode(response.body, type=_Coded).code
    except (msgspec.DecodeError, UnicodeDecodeError):
        code = None
    log_response(
        request_id=request_id,
        store_id=None if key is None else key.store_id,
        key_name=None if key is None else key.name,
        method=scope["method"],
        route=seen.route,
        path=unquote("/".join(_segments(scope))),
        status=response.status,
        code=code,
        seconds=seconds,
    )


async def _send(send: Send, response: ServiceResponse, request_id: str) -> None:
    headers = [*response.headers, (b"x-request-id", request_id.encode())]
    if response.status == _NO_CONTENT:
        # There is no body, so nothing may describe one.
        headers = [header for header in headers if header[0] != b"content-type"]
    else:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": False})
