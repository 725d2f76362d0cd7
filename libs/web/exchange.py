"""What every route shares: reading the query and the idempotency key, and the forms of answers."""

from collections.abc import Callable
from typing import Any, TypeVar

from litestar import Request, Response

from libs.contracts import api
from libs.persistence.idempotency import Claim, KeptAnswer
from libs.web import idempotency
from libs.web.body import Faults, Query, read

AnyRequest = Request[Any, Any, Any]
Body = Response[bytes]
T = TypeVar("T")


def query_of(request: AnyRequest, faults: Faults, *, known: frozenset[str]) -> Query:
    """The request's parameters, of which only `known` are allowed."""
    return Query(request.query_params.dict(), faults, known=known)


def no_query(request: AnyRequest) -> None:
    """Refuse parameters where none are known."""
    faults = Faults()
    query_of(request, faults, known=frozenset())
    faults.raise_if_any()


async def write_of(
    request: AnyRequest, store_id: str, kind: type[T], check: Callable[[T, Faults], None]
) -> tuple[T, Claim | None]:
    """A write's body as `kind`, and what it claims by its Idempotency-Key; raises InvalidRequest with
    all that is wrong with the request."""
    body = await request.body()
    faults = Faults()
    asked = read(body, kind, faults, check=check)
    claim = claim_of(request, store_id, body, faults)
    assert asked is not None
    return asked, claim


def claim_of(
    request: AnyRequest, store_id: str, body: bytes, faults: Faults | None = None
) -> Claim | None:
    """What a write claims by its Idempotency-Key; it knows no query parameters. Raises InvalidRequest
    with `faults`, found in the body, and those of the key and the query: the body of a claim is one
    that passed its checks."""
    faults = Faults() if faults is None else faults
    query_of(request, faults, known=frozenset())
    key = idempotency.key_of(request.headers.get(idempotency.HEADER), faults)
    faults.raise_if_any()
    if key is None:
        return None
    digest = idempotency.fingerprint(
        method=request.method, path=request.url.path, query=request.url.query, body=body
    )
    return Claim(store_id, key, digest)


def request_id_of(request: AnyRequest) -> str:
    """The id that the caller's whole request bears through all services."""
    request_id: str = request.scope["state"]["request_id"]
    return request_id


def key_name_of(request: AnyRequest) -> str:
    """The name of the API key that asks."""
    return request.headers.get("x-whale-key-name", "?")


def kept_body(answer: KeptAnswer, *, replayed: bool) -> Body:
    """A write's answer; a replayed one says so."""
    headers = {idempotency.REPLAYED_HEADER: "true"} if replayed else None
    return Response(
        answer.body, status_code=answer.status, media_type="application/json", headers=headers
    )


def json_body(answer: object) -> Body:
    """An answer of 200."""
    return encoded_body(api.encode(answer))


def encoded_body(answer: bytes) -> Body:
    """An answer of 200 that is JSON already."""
    return Response(answer, media_type="application/json")
