"""Problem details (RFC 9457): the table from error codes to HTTP statuses, and the responses."""

from typing import Any, Final

import msgspec
from litestar import Response
from litestar.types import Send
from msgspec import Struct

from libs.contracts.headers import REQUEST_ID
from libs.kernel.errors import (
    MethodNotAllowed,
    RateLimited,
    Unauthenticated,
    Unavailable,
    WhaleError,
)

MEDIA_TYPE: Final = "application/problem+json"

# The key of a request's state under which its problem's code is noted for the log.
CODE: Final = "problem_code"

# The detail of every internal error.
INTERNAL_ERROR: Final = (
    "The service failed unexpectedly. The error has been logged under the request id in `instance`."
)


class Problem(Struct, frozen=True):
    """What a code means: its HTTP status, a title, what happened, and what the caller does next."""

    status: int
    title: str
    explanation: str
    action: str


PROBLEMS: Final[dict[str, Problem]] = {
    "unauthenticated": Problem(
        401,
        "Missing or invalid API key",
        "The request has no `Authorization` header of the form `Bearer wk_live_…`, or its API key is "
        "unknown or revoked.",
        "Send the key in the `Authorization` header. To get a new key, run `make key STORE=<store id>` "
        "or ask the people who operate this service.",
    ),
    "insufficient_scope": Problem(
        403,
        "The API key lacks a scope",
        "An API key carries one or more of the scopes read, earn, redeem, manage and admin. Scopes "
        "do not include one another. The field `required` names the scope that this request needs.",
        "Use a key that has the scope. `make key STORE=<store id> SCOPES=…` creates one.",
    ),
    "not_found": Problem(
        404,
        "Not found",
        "The path does not exist, the store has no object with this id, or the API key belongs to "
        "another store. Objects of other stores also return 404.",
        "Check the path against the [API reference](/docs), the id, and the store. `me` in place of "
        "the store id always means the store of the key.",
    ),
    "request_timeout": Problem(
        408,
        "The request arrived too slowly",
        "All headers must arrive within 10 seconds. The body must then arrive within 10 seconds, plus one "
        "second for every 32 KiB received. Nothing was changed.",
        "Send the request again over a better connection, and split large batches.",
    ),
    "headers_too_large": Problem(
        431,
        "The request headers are too large",
        "A request may have up to 100 headers. The headers and the path together may have up to 32 KiB.",
        "Remove headers that the API does not use, such as cookies.",
    ),
    "method_not_allowed": Problem(
        405,
        "Method not allowed",
        "The path exists, but not with this HTTP method. The `Allow` header lists the methods that "
        "the path supports.",
        "Use one of those methods. The [API reference](/docs) lists every operation.",
    ),
    "conflict": Problem(
        409,
        "Conflict with the current state",
        "The request contradicts the recorded state: the state is final, the object or the price was "
        "changed in the meantime, the id is taken, or a balance would exceed its limit. Nothing was "
        "changed.",
        "Read the object again, and base the next request on its current state.",
    ),
    "reward_unavailable": Problem(
        409,
        "The reward is not available",
        "The customer cannot redeem this reward now. The field `reason` is one of inactive, "
        "not_started, ended, limit_reached, out_of_stock and tier_required. Nothing was changed.",
        "Offer another reward. `GET /v1/stores/me/loyalty/rewards?customer_id=…` lists the rewards "
        "and which of them this customer can redeem.",
    ),
    "program_inactive": Problem(
        409,
        "No active loyalty program",
        "The store has no loyalty program, or none that is active, so points can be neither earned nor "
        "redeemed. Orders are recorded in the meantime.",
        "Create a program with `POST /v1/stores/me/loyalty-programs`, or set `is_active` of an "
        "existing one to true.",
    ),
    "account_suspended": Problem(
        409,
        "The customer's account is suspended",
        "A suspended account can neither earn nor redeem points. Its orders are held, and are posted "
        "once the account is active again.",
        "After a review, set the `status` of the customer to active with "
        "`PATCH /v1/stores/me/loyalty/customers/{id}`.",
    ),
    "insufficient_points": Problem(
        409,
        "Not enough points",
        "The customer's balance is less than the points required. The fields `balance`, `required` and "
        "`missing` are in points. Nothing was changed.",
        "Offer a reward that costs no more than `balance`, or show how many points are `missing`.",
    ),
    "idempotency_in_flight": Problem(
        409,
        "The first request with this Idempotency-Key is still running",
        "Another request with the same Idempotency-Key has not finished yet.",
        "Send the request again in a moment with the same Idempotency-Key. It gets the response to the "
        "first one.",
    ),
    "too_large": Problem(
        413,
        "The request body is too large",
        "A body may have up to 64 KiB, the body of a batch up to 1 MiB.",
        "Split the batch into smaller ones.",
    ),
    "unsupported_media_type": Problem(
        415,
        "Unsupported media type",
        "The `Content-Type` of the body is missing, or is not one that this operation accepts.",
        "Send JSON with `Content-Type: application/json`.",
    ),
    "invalid_request": Problem(
        400,
        "Invalid request",
        "The request breaks the rules of the API. The field `errors` lists everything that is wrong. "
        "Each entry has a `detail` that says what is wrong. Its `pointer` (a place in the body), "
        "`parameter` (a query parameter) or `header` (the name of a header) says where. Nothing was "
        "changed.",
        "Correct every entry of `errors` and send the request again.",
    ),
    "idempotency_key_reused": Problem(
        422,
        "Idempotency-Key used for another request",
        "An Idempotency-Key belongs to one request: its method, path, query and body. This key has "
        "already been used with another request.",
        "Use a new key for a new request. To repeat a request, send exactly the same one.",
    ),
    "rate_limited": Problem(
        429,
        "Too many requests",
        "The API key has used up its requests for now. The `Retry-After` header says how many seconds "
        "to wait, and the `RateLimit-Policy` header says what the limit is.",
        "Wait for as long as `Retry-After` says, then send the request again.",
    ),
    "unavailable": Problem(
        503,
        "Temporarily unavailable",
        "A part of the service cannot be reached. A write either did not happen, or its outcome "
        "will be known within 10 seconds.",
        "Wait for as long as `Retry-After` says, then send the request again. Send a write with the "
        "same Idempotency-Key: it gets the outcome of the first attempt. Without a key it may take effect twice.",
    ),
    "internal_error": Problem(
        500,
        "Internal error",
        "The service failed unexpectedly. The error has been logged under the request "
        "id in `instance`.",
        "Send the id in `instance` to the people who operate this service.",
    ),
}


def body_of(error: WhaleError, request_id: str) -> bytes:
    """The problem document: the members of RFC 9457, the code, and the data of the error."""
    problem = PROBLEMS[error.code]
    return msgspec.json.encode(
        {
            "type": f"/problems/{error.code}",
            "title": problem.title,
            "status": problem.status,
            "detail": error.detail,
            "instance": request_id,
            "code": error.code,
            **error.extra,
        }
    )


def headers_of(error: WhaleError) -> dict[str, str]:
    """The headers that go with the error."""
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case MethodNotAllowed():
            return {"Allow": ", ".join(error.allow)}
        case Unavailable():
            return {"Retry-After": str(error.retry_after_seconds)}
        case RateLimited():
            return {
                "Retry-After": str(error.retry_after_seconds),
                "RateLimit": error.rate_limit,
                "RateLimit-Policy": error.rate_limit_policy,
            }
        case _:
            return {}


def status_of(error: WhaleError) -> int:
    """The HTTP status of the error's code."""
    return PROBLEMS[error.code].status


def problem_response(error: WhaleError, request_id: str) -> Response[Any]:
    """The response to a request that failed with `error`."""
    return Response(
        content=body_of(error, request_id),
        status_code=status_of(error),
        media_type=MEDIA_TYPE,
        headers=headers_of(error),
    )


async def send_problem(send: Send, error: WhaleError, request_id: str) -> None:
    """Send the response where no route was reached."""
    body = body_of(error, request_id)
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        REQUEST_ID: request_id,
        **headers_of(error),
    }
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status_of(error), "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})
