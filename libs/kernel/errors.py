"""The errors that callers see, each with a stable code and the data that explains it.

The tree::

    WhaleError
     ├── Unauthenticated          the request has no valid key
     ├── NotFound                 the store has no resource with this id
     ├── InsufficientScope        the key lacks the required scope
     ├── RateLimited              too many requests with this key
     ├── RequestTimeout           headers or body arrive too slowly
     ├── HeadersTooLarge          too many header bytes, or too many headers
     ├── MethodNotAllowed         the path does not support the method
     ├── TooLarge                 the body exceeds its limit
     ├── UnsupportedMediaType     the media type is not JSON
     ├── InvalidRequest           the request has invalid values; all are listed
     ├── IdempotencyKeyReused     the key was used with a different request
     ├── Refused                  conflict with the current state; nothing was changed
     │    ├── RewardUnavailable
     │    ├── Conflict
     │    ├── ProgramInactive
     │    ├── AccountSuspended
     │    └── InsufficientPoints
     ├── Unavailable              not applied, or the outcome is not known yet: retry
     └── InternalError            a defect of the service

Errors are independent of HTTP: libs.web.problems maps each to its status.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct


class Fault(Struct, frozen=True, omit_defaults=True):
    """One invalid value of a request: where it is, and what is wrong with it.

    At most one of `pointer` (JSON pointer into the body, `#/tiers/1/min_points`), `parameter` (a
    query or path parameter) and `header` is set; none is set if the whole request is unreadable.
    """

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


class WhaleError(Exception):
    """The base class. `detail` is a sentence for people; `extra` has the members that are not in
    RFC 9457."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class Unauthenticated(WhaleError):
    code = "unauthenticated"


class NotFound(WhaleError):
    code = "not_found"


class InsufficientScope(WhaleError):
    code = "insufficient_scope"

    def __init__(self, detail: str, *, required: str) -> None:
        super().__init__(detail, required=required)


class RateLimited(WhaleError):
    """`retry_after_seconds` and the two header values are sent as headers, not as members."""

    code = "rate_limited"

    def __init__(
        self, detail: str, *, retry_after_seconds: int, rate_limit: str, rate_limit_policy: str
    ) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds
        self.rate_limit = rate_limit
        self.rate_limit_policy = rate_limit_policy


class RequestTimeout(WhaleError):
    code = "request_timeout"


class HeadersTooLarge(WhaleError):
    code = "headers_too_large"


class MethodNotAllowed(WhaleError):
    code = "method_not_allowed"

    def __init__(self, detail: str, *, allow: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allow = allow


class TooLarge(WhaleError):
    code = "too_large"


class UnsupportedMediaType(WhaleError):
    code = "unsupported_media_type"


class InvalidRequest(WhaleError):
    code = "invalid_request"

    def __init__(self, detail: str, *, errors: list[Fault]) -> None:
        super().__init__(detail, errors=errors)
        self.errors = errors


class IdempotencyKeyReused(WhaleError):
    code = "idempotency_key_reused"


class Refused(WhaleError):
    """The request breaks a rule or conflicts with the current state; nothing was changed."""


RewardReason = Literal[
    "inactive", "not_started", "ended", "limit_reached", "out_of_stock", "tier_required"
]


class RewardUnavailable(Refused):
    code = "reward_unavailable"

    def __init__(self, detail: str, *, reason: RewardReason) -> None:
        super().__init__(detail, reason=reason)


class Conflict(Refused):
    code = "conflict"


class ProgramInactive(Refused):
    code = "program_inactive"


class AccountSuspended(Refused):
    code = "account_suspended"


class InsufficientPoints(Refused):
    """All three members are points: the balance, the points required, and their difference."""

    code = "insufficient_points"

    def __init__(self, *, balance: int, required: int) -> None:
        missing = required - balance
        super().__init__(
            f"The balance is {balance:,} points; {required:,} are required ({missing:,} short).",
            balance=balance,
            required=required,
            missing=missing,
        )


class Unavailable(WhaleError):
    code = "unavailable"

    def __init__(self, detail: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class InternalError(WhaleError):
    code = "internal_error"
