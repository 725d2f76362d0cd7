"""What can go wrong, as a tree; catch as high or as low as suits.

The tree::

    WhaleError
     ├── ConfigurationError       no key, or a setting that cannot be
     ├── InvalidArgument          a value that cannot be sent; a ValueError too
     ├── ClientClosed             the client was closed before the call
     ├── ConnectionFailed         no answer came, whatever was tried
     ├── TimedOut                 no answer came in time
     └── ApiError                 the API refused; `status`, and a stable `code`
          ├── Unauthenticated          no valid key
          ├── InsufficientScope        the key may not do this: `required`
          ├── NotFound                 nothing of that id in this store
          ├── RateLimited              too many requests for this key
          ├── RequestTimeout           the request arrived too slowly; it was not run
          ├── HeadersTooLarge
          ├── MethodNotAllowed
          ├── TooLarge
          ├── UnsupportedMediaType
          ├── InvalidRequest           faulty values, all named at once: `errors`
          ├── IdempotencyKeyReused     the key stands for another request
          ├── IdempotencyInFlight      the first request with the key still runs
          ├── Refused                  a rule forbids it; nothing was changed
          │    ├── RewardUnavailable        `reason`
          │    ├── Conflict
          │    ├── ProgramInactive
          │    ├── AccountSuspended
          │    └── InsufficientPoints       `balance`, `required`, `missing`
          ├── Unavailable              did not happen, or is settled within ten seconds
          ├── InternalError            a defect of the service
          └── UnexpectedAnswer         not an answer of this API: broken JSON, a proxy's page

A code that this version does not know is an ApiError. No error ever holds the API key.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final


class WhaleError(Exception):
    """The root: `detail` is a sentence for a person, `code` is for the program.

    `request_id` names the request in the service's logs. `idempotency_key` is the one that a failed
    write was sent with: the same write repeated with it acts once.
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
        return f"{self.code}: {self.detail}" + _in_request(self.request_id)


class ConfigurationError(WhaleError):
    """The client cannot be made with these settings."""

    code = "configuration_error"


class InvalidArgument(WhaleError, ValueError):
    """A value that no request can carry: the call was refused before anything was sent."""

    code = "invalid_argument"


class ClientClosed(WhaleError):
    """The client was closed before the call; create another one."""

    code = "client_closed"


class ConnectionFailed(WhaleError):
    """No answer came: whether a write happened is told by repeating it with `idempotency_key`."""

    code = "connection_failed"


class TimedOut(WhaleError):
    """No answer came in time: whether a write happened is told by repeating it with
    `idempotency_key`."""

    code = "timed_out"


class ApiError(WhaleError):
    """The API answered with an error; `extra` holds the members beyond RFC 9457's own."""

    # The members that a subclass has as attributes; None where the answer lacks one.
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
        return f"{self.status} {self.code}: {self.detail}" + _in_request(self.request_id)


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
    """`errors` are the faulty values: each a `detail`, and its `pointer`, `parameter` or `header`."""

    code = "invalid_request"
    members = ("errors",)
    errors: list[dict[str, str]]


class IdempotencyKeyReused(ApiError):
    code = "idempotency_key_reused"


class IdempotencyInFlight(ApiError):
    code = "idempotency_in_flight"


class Refused(ApiError):
    """A rule forbids it; nothing was changed."""


class RewardUnavailable(Refused):
    """`reason`: inactive, not_started, ended, limit_reached, out_of_stock or tier_required."""

    code = "reward_unavailable"
    members = ("reason",)
    reason: str


class Conflict(Refused):
    code = "conflict"


class ProgramInactive(Refused):
    code = "program_inactive"


class AccountSuspended(Refused):
    code = "account_suspended"


class InsufficientPoints(Refused):
    """All three are points: what the customer has, what it takes, and the difference."""

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
    """What answered is not this API, or not a version of it that this client understands."""

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


def _in_request(request_id: str | None) -> str:
    return f" (request {request_id})" if request_id else ""
