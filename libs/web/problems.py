"""Problem details (RFC 9457): the one table from error codes to HTTP statuses, and the answers."""

from typing import Any, Final

import msgspec
from litestar import Response
from litestar.types import Send
from msgspec import Struct

from libs.kernel.errors import (
    MethodNotAllowed,
    RateLimited,
    Unauthenticated,
    Unavailable,
    WhaleError,
)

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Struct, frozen=True):
    """What a code means: its HTTP status, a title, and an explanation for a person."""

    status: int
    title: str
    explanation: str


PROBLEMS: Final[dict[str, Problem]] = {
    "unauthenticated": Problem(
        401,
        "No valid API key",
        "The request has no Authorization header of the form `Bearer wk_live_…`, or the key is "
        "unknown or revoked. Keys are made by whoever operates the service.",
    ),
    "insufficient_scope": Problem(
        403,
        "The key may not do this",
        "A key carries scopes: read, earn, redeem, manage, admin. None includes another. The member "
        "`required` names the one that this request needs.",
    ),
    "not_found": Problem(
        404,
        "Not found",
        "There is nothing of this id in the store, the path does not exist, or the store is not the "
        "key's own. Another store's things look exactly like things that do not exist.",
    ),
    "request_timeout": Problem(
        408,
        "The request arrived too slowly",
        "Headers must be complete within ten seconds, and a body must arrive at 32 KiB a second after its "
        "first ten. Nothing was changed.",
    ),
    "headers_too_large": Problem(
        431,
        "The headers are too large",
        "A request may have 100 headers, and 32 KiB of them together with its path.",
    ),
    "method_not_allowed": Problem(
        405,
        "The path does not take this method",
        "The path exists, but not with this method. The header `Allow` lists those it takes.",
    ),
    "conflict": Problem(
        409,
        "The present state forbids it",
        "The request contradicts what is recorded already: a state that is final, another price, or "
        "a balance that would pass its bound. Nothing was changed.",
    ),
    "reward_unavailable": Problem(
        409,
        "The reward cannot be had now",
        "The member `reason` says why: inactive, not_started, ended, limit_reached, out_of_stock or "
        "tier_required. Nothing was changed.",
    ),
    "program_inactive": Problem(
        409,
        "No active loyalty program",
        "The store has no loyalty program, or none that is active, so nothing can be earned or "
        "redeemed. Orders are recorded meanwhile.",
    ),
    "account_suspended": Problem(
        409,
        "The customer's account is suspended",
        "A suspended account neither earns nor redeems. Its orders are held, and post once it is "
        "made active again.",
    ),
    "insufficient_points": Problem(
        409,
        "Not enough points",
        "The members `balance`, `required` and `missing` are points. Nothing was changed.",
    ),
    "idempotency_in_flight": Problem(
        409,
        "The first request with this key is still running",
        "Repeat the request in a moment with the same Idempotency-Key to get the first one's answer.",
    ),
    "too_large": Problem(
        413,
        "The body is too large",
        "A body may have 64 KiB, a batch 1 MiB.",
    ),
    "unsupported_media_type": Problem(
        415,
        "The body is not JSON",
        "Send the body with `Content-Type: application/json`.",
    ),
    "invalid_request": Problem(
        400,
        "Faulty values",
        "The member `errors` lists every faulty value: `pointer` is its place in the body, "
        "`parameter` a query parameter, `header` a header, `detail` what it should be.",
    ),
    "idempotency_key_reused": Problem(
        422,
        "The Idempotency-Key stands for another request",
        "A key belongs to one request: method, path, query and body. Use a new key for a new request.",
    ),
    "rate_limited": Problem(
        429,
        "Too many requests",
        "The key's allowance is used up. `Retry-After` says in how many seconds there is more.",
    ),
    "unavailable": Problem(
        503,
        "Not available at the moment",
        "The write did not happen, or will be settled within ten seconds. Repeat it with the same "
        "Idempotency-Key to get its outcome; without a key it may act twice.",
    ),
    "internal_error": Problem(
        500,
        "A defect of ours",
        "This should not have happened. The request id, in `instance`, finds it in the logs.",
    ),
}


def body_of(error: WhaleError, request_id: str) -> bytes:
    """The problem document: RFC 9457's members, the code, and what the error carries."""
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
    """The headers an error asks for."""
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
    """The answer to a request that failed with `error`."""
    return Response(
        content=body_of(error, request_id),
        status_code=status_of(error),
        media_type=MEDIA_TYPE,
        headers=headers_of(error),
    )


async def send_problem(send: Send, error: WhaleError, request_id: str) -> None:
    """The same where no route was reached."""
    body = body_of(error, request_id)
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "X-Request-Id": request_id,
        **headers_of(error),
    }
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status_of(error), "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})
