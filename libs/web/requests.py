"""What the routes of every service share: reading a request, and writing its response."""

from collections.abc import Callable
from typing import Any, TypeVar

from litestar import Request, Response

from libs.contracts import api
from libs.kernel.caller import Caller
from libs.persistence.idempotency import Claim, StoredResponse
from libs.persistence.writes import Write
from libs.web import idempotency
from libs.web.body import Faults, Query, read

KEY_ID_HEADER = "x-whale-key-id"
KEY_NAME_HEADER = "x-whale-key-name"

AnyRequest = Request[Any, Any, Any]
Body = Response[bytes]
T = TypeVar("T")


def query_of(request: AnyRequest, faults: Faults, *, known: frozenset[str]) -> Query:
    """The request's query parameters, of which only `known` are allowed."""
    return Query(request.query_params.dict(), faults, known=known)


def no_query(request: AnyRequest) -> None:
    """Refuse query parameters where the operation has none. Raises InvalidRequest."""
    faults = Faults()
    query_of(request, faults, known=frozenset())
    faults.raise_if_any()


async def read_write(
    request: AnyRequest, store_id: str, kind: type[T], check: Callable[[T, Faults], None]
) -> Write[T]:
    """The write with its body as `kind`. Raises InvalidRequest with every fault of the request."""
    content = await request.body()
    faults = Faults()
    body = read(content, kind, faults, check=check)
    claim = _claim_of(request, store_id, content, faults)
    assert body is not None
    return Write(store_id, body, claim, caller_of(request))


def write_of_bytes(request: AnyRequest, store_id: str, content: bytes) -> Write[bytes]:
    """The write with its body as bytes, for an operation that reads its body itself. Raises
    InvalidRequest for a faulty Idempotency-Key or query."""
    claim = _claim_of(request, store_id, content, Faults())
    return Write(store_id, content, claim, caller_of(request))


def caller_of(request: AnyRequest) -> Caller:
    """Who sent the request; the gateway adds the headers after authentication."""
    headers = request.headers
    return Caller(
        key_id=headers.get(KEY_ID_HEADER, "?"),
        key_name=headers.get(KEY_NAME_HEADER, "?"),
        request_id=request.scope["state"]["request_id"],
        idempotency_key=headers.get(idempotency.HEADER),
    )


def _claim_of(request: AnyRequest, store_id: str, content: bytes, faults: Faults) -> Claim | None:
    """What the write claims by its Idempotency-Key. Raises InvalidRequest with `faults` and those of
    the key and the query: a claim stands for a request that passed its checks."""
    query_of(request, faults, known=frozenset())
    key = idempotency.key_of(request.headers.get(idempotency.HEADER), faults)
    faults.raise_if_any()
    if key is None:
        return None
    digest = idempotency.fingerprint(
        method=request.method, path=request.url.path, query=request.url.query, body=content
    )
    return Claim(store_id, key, digest)


def stored_body(response: StoredResponse) -> Body:
    """The response to a write; a replayed one says so in a header."""
    headers = {idempotency.REPLAYED_HEADER: "true"} if response.replayed else None
    return Response(
        response.body, status_code=response.status, media_type="application/json", headers=headers
    )


def json_body(content: object) -> Body:
    """A response of status 200 with `content` as JSON."""
    return encoded_body(api.encode(content))


def encoded_body(content: bytes) -> Body:
    """A response of status 200 whose content is JSON already."""
    return Response(content, media_type="application/json")
