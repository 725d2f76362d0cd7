"""What the routes of all services share: reading a request, and rendering its response."""

from collections.abc import Callable
from typing import Any, TypeVar

from litestar import Request, Response

from libs.contracts import api
from libs.contracts.headers import IDEMPOTENCY_HIT, IDEMPOTENCY_KEY, KEY_ID, KEY_NAME, KEY_SCOPES
from libs.contracts.operations import Scope
from libs.kernel.caller import Caller
from libs.persistence.idempotency import Claim, StoredResponse
from libs.persistence.writes import Write
from libs.web import idempotency
from libs.web.body import Faults, Query, read

AnyRequest = Request[Any, Any, Any]
Body = Response[bytes]
T = TypeVar("T")


def query_of(request: AnyRequest, faults: Faults, *, known: frozenset[str]) -> Query:
    """The request's query parameters; any that is not `known` is added to `faults`."""
    return Query(request.query_params.dict(), faults, known=known)


def no_query(request: AnyRequest) -> None:
    """Raise InvalidRequest if the request has any query parameter."""
    faults = Faults()
    query_of(request, faults, known=frozenset())
    faults.raise_if_any()


async def read_write(
    request: AnyRequest, store_id: str, kind: type[T], check: Callable[[T, Faults], None]
) -> Write[T]:
    """The write with its body decoded as `kind`. Raises InvalidRequest with all faults."""
    content = await request.body()
    faults = Faults()
    body = read(content, kind, faults, check=check)
    claim = _claim_of(request, store_id, content, faults)
    assert body is not None
    return Write(store_id, body, claim, caller_of(request))


def write_of_bytes(request: AnyRequest, store_id: str, content: bytes) -> Write[bytes]:
    """The write with its body as bytes, for an operation that decodes its body itself. Raises
    InvalidRequest for an invalid Idempotency-Key or query."""
    claim = _claim_of(request, store_id, content, Faults())
    return Write(store_id, content, claim, caller_of(request))


def has_scope(request: AnyRequest, scope: Scope) -> bool:
    """Whether the key of the request has the scope, for a response that depends on it."""
    return scope in request.headers.get(KEY_SCOPES, "").split(",")


def caller_of(request: AnyRequest) -> Caller:
    """The sender of the request, from the headers that the gateway adds after authentication."""
    headers = request.headers
    return Caller(
        key_id=headers.get(KEY_ID, "?"),
        key_name=headers.get(KEY_NAME, "?"),
        request_id=request.scope["state"]["request_id"],
        idempotency_key=headers.get(IDEMPOTENCY_KEY),
    )


def _claim_of(request: AnyRequest, store_id: str, content: bytes, faults: Faults) -> Claim | None:
    """The claim of the write's Idempotency-Key, or None without a key. Adds the faults of the key and
    the query to `faults` and raises them all: only a request that passed its checks gets a claim."""
    query_of(request, faults, known=frozenset())
    key = idempotency.key_of(request.headers.get(IDEMPOTENCY_KEY), faults)
    faults.raise_if_any()
    if key is None:
        return None
    digest = idempotency.fingerprint(
        method=request.method, path=request.url.path, query=request.url.query, body=content
    )
    return Claim(store_id, key, digest)


def stored_body(response: StoredResponse) -> Body:
    """The response to a write, with a header if it is replayed."""
    headers = {IDEMPOTENCY_HIT: "true"} if response.replayed else None
    return Response(
        response.body, status_code=response.status, media_type="application/json", headers=headers
    )


def json_body(content: object) -> Body:
    """A 200 response with `content` as JSON."""
    return encoded_body(api.encode(content))


def encoded_body(content: bytes) -> Body:
    """A 200 response with content that is JSON already."""
    return Response(content, media_type="application/json")
