"""What every route shares: reading the query and the idempotency key, and the forms of answers."""

from typing import Any

from litestar import Request, Response

from libs.contracts import api
from libs.persistence.idempotency import Claim, KeptAnswer
from libs.web import idempotency
from libs.web.body import Faults, Query

AnyRequest = Request[Any, Any, Any]
Body = Response[bytes]


def query_of(request: AnyRequest, faults: Faults, *, known: frozenset[str]) -> Query:
    """The request's parameters, of which only `known` are allowed."""
    return Query(request.query_params.dict(), faults, known=known)


def no_query(request: AnyRequest) -> None:
    """Refuse parameters where none are known."""
    faults = Faults()
    query_of(request, faults, known=frozenset())
    faults.raise_if_any()


def claim_of(request: AnyRequest, store_id: str, body: bytes) -> Claim | None:
    """What the request claims by its Idempotency-Key; a write knows no query parameters."""
    no_query(request)
    key = idempotency.key_of(request.headers.get(idempotency.HEADER))
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
