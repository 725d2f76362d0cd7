"""The exceptions, as a tree: catch one class or a whole branch.

The tree::

    WhaleError
     ├── ConfigurationError       no API key, or an invalid setting
     ├── InvalidArgument          a value that no request can carry; also a ValueError
     ├── ClientClosed             the client was closed before the call
     ├── ConnectionFailed         no response, after all retries
     ├── TimedOut                 no response in time, after all retries
     └── ApiError                 the API responded with an error: `status`, stable `code`
          ├── Unauthenticated          the API key is missing or invalid
          ├── InsufficientScope        the key lacks the scope `required`
          ├── NotFound                 no such object in this store
          ├── RateLimited              too many requests with this key
          ├── RequestTimeout           the request arrived too slowly and was not processed
          ├── HeadersTooLarge
          ├── MethodNotAllowed
          ├── TooLarge
          ├── UnsupportedMediaType
          ├── InvalidRequest           invalid values, all listed in `errors`
          ├── IdempotencyKeyReused     the idempotency key belongs to another request
          ├── IdempotencyInFlight      the first request with the key is still in progress
          ├── Refused                  a business rule forbids it; nothing was changed
          │    ├── RewardUnavailable        `reason`
          │    ├── Conflict
          │    ├── ProgramInactive
          │    ├── AccountSuspended
          │    └── InsufficientPoints       `balance`, `required`, `missing`
          ├── Unavailable              a write did not happen, or settles within 10 seconds
          ├── InternalError            an internal error of the service
          └── UnexpectedAnswer         not a response of this API, such as a proxy's page

A code that this version does not know raises ApiError. No exception contains the API key.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from whale_loyalty.values import RewardReason


class WhaleError(Exception):
    """The root: `detail` is a sentence for people, `code` a stable value for programs.

    `request_id` identifies the request in the service's logs. `idempotency_key` is the key of a failed
    write: repeat the write with the same key, and it takes effect at most once.
    """

    code: str = "whale_error"

    def __init__(
        self, detail: str, *, request_id: str | None = None, idempotency_key: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.request_id = request_id
        self.idempotency_key = idempotency_key

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" + _request_suffix(self.request_id)


class ConfigurationError(WhaleError):
    """The API key is missing, or a setting is invalid."""

    code = "configuration_error"


class InvalidArgument(WhaleError, ValueError):
    """A value that no request can carry; nothing was sent."""

    code = "invalid_argument"


class ClientClosed(WhaleError):
    """The client was closed before the call; create another client."""

    code = "client_closed"


class ConnectionFailed(WhaleError):
    """No response arrived. A write may have happened: repeat it with `idempotency_key` to find out."""

    code = "connection_failed"


class TimedOut(WhaleError):
    """No response arrived in time. A write may have happened: repeat it with `idempotency_key` to find
    out."""

    code = "timed_out"


class ApiError(WhaleError):
    """The API responded with an error; `extra` holds the members that RFC 9457 does not define."""

    # Members of the problem that become attributes; None if the response lacks the member.
    members: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        detail: str,
        *,
        status: int = 0,
        code: str | None = None,
        extra: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        super().__init__(detail, request_id=request_id, idempotency_key=idempotency_key)
        self.status = status
        self.code = code or self.code
        self.extra = dict(extra or {})
        for name in self.members:
            setattr(self, name, self.extra.get(name))

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}" + _request_suffix(self.request_id)


class Unauthenticated(ApiError):
    code = "unauthenticated"


class InsufficientScope(ApiError):
    """`required` is the scope that the key lacks."""

    code = "insufficient_scope"
    members = ("required",)
    required: str


class NotFound(ApiError):
    code = "not_found"


class RateLimited(ApiError):
    code = "rate_limited"


class RequestTimeout(ApiError):
    code = "request_timeout"


class HeadersTooLarge(ApiError):
    code = "headers_too_large"


class MethodNotAllowed(ApiError):
    code = "method_not_allowed"


class TooLarge(ApiError):
    code = "too_large"


class UnsupportedMediaType(ApiError):
    code = "unsupported_media_type"


class InvalidRequest(ApiError):
    """`errors` lists the invalid values: each a `detail`, and a `pointer`, `parameter` or `header`."""

    code = "invalid_request"
    members = ("errors",)
    errors: list[dict[str, str]]


class IdempotencyKeyReused(ApiError):
    code = "idempotency_key_reused"


class IdempotencyInFlight(ApiError):
    code = "idempotency_in_flight"


class Refused(ApiError):
    """A business rule forbids the request; nothing was changed."""


class RewardUnavailable(Refused):
    """`reason` is inactive, not_started, ended, limit_reached, out_of_stock or tier_required."""

    code = "reward_unavailable"
    members = ("reason",)
    reason: RewardReason


class Conflict(Refused):
    code = "conflict"


class ProgramInactive(Refused):
    code = "program_inactive"


class AccountSuspended(Refused):
    code = "account_suspended"


class InsufficientPoints(Refused):
    """In points: the customer's `balance`, the `required` amount, and the `missing` difference."""

    code = "insufficient_points"
    members = ("balance", "required", "missing")
    balance: int
    required: int
    missing: int


class Unavailable(ApiError):
    code = "unavailable"


class InternalError(ApiError):
    code = "internal_error"


class UnexpectedAnswer(ApiError):
    """The response is not from this API, or from a version that this client cannot read."""

    code = "unexpected_answer"


BY_CODE: Final[Mapping[str, type[ApiError]]] = {
    kind.code: kind
    for kind in (
        *(Unauthenticated, InsufficientScope, NotFound, RateLimited, MethodNotAllowed, TooLarge),
        *(RequestTimeout, HeadersTooLarge),
        *(UnsupportedMediaType, InvalidRequest, IdempotencyKeyReused, IdempotencyInFlight),
        *(RewardUnavailable, Conflict, ProgramInactive, AccountSuspended, InsufficientPoints),
        *(Unavailable, InternalError),
    )
}


def _request_suffix(request_id: str | None) -> str:
    return f" (request {request_id})" if request_id else ""
