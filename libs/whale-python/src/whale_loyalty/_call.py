"""One API call from its first attempt to its result: no I/O and no clock, so both clients share it.

A client sends `Call.request`, passes the outcome to `Call.record`, sleeps for the delay that it returns
and sends again, until the delay is None. Then `Call.result` returns the value or raises the error.
"""

import random
import re
import uuid
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from whale_loyalty._operation import Operation
from whale_loyalty._settings import DEFAULT_BASE_URL, ApiKey, Settings
from whale_loyalty.errors import (
    BY_CODE,
    ApiError,
    ConnectionFailed,
    IdempotencyInFlight,
    InvalidArgument,
    TimedOut,
    UnexpectedAnswer,
    WhaleError,
)

T = TypeVar("T")

# The back-off's upper bound doubles with each attempt, from the first to the maximum. Each delay is
# drawn from the whole range below it (full jitter), so that many clients do not retry in step.
# A Retry-After is added on top.
_FIRST_BACKOFF_SECONDS: Final = 0.25
_MAX_BACKOFF_SECONDS: Final = 5.0

# 502 and 504 are a broken connection, seen by a proxy. A write carries its idempotency key, so
# retrying it is safe.
_RETRYABLE_STATUSES: Final = frozenset({408, 429, 502, 503, 504})

# How much of an unexpected body an error message quotes: a proxy's page can be long.
_EXCERPT_LENGTH: Final = 200

_RESPONSE_HEADERS: Final = ("content-type", "date", "retry-after")
_PROBLEM_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance", "code"})
# HTTP strips blanks at both ends of a header's value, so the server would see a different key.
_IDEMPOTENCY_KEY: Final = re.compile(r"(?! )[\x20-\x7e]{1,255}(?<! )")
_SECONDS: Final = re.compile(r"\d{1,9}")


class Request(Struct, frozen=True, kw_only=True):
    """An HTTP request without the Authorization header, which the transport adds."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Response(Struct, frozen=True, kw_only=True):
    """An HTTP response without the API key, as `Call.redacted_response` returns it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoResponse(Struct, frozen=True, kw_only=True):
    """An attempt without a complete response; `reason` is a sentence fragment for the error."""

    reason: str
    timed_out: bool = False


class Call(Generic[T]):
    """The state of one call. Every attempt sends the same request, with the same request id and
    idempotency key."""

    def __init__(
        self,
        operation: Operation[T],
        settings: Settings,
        key: ApiKey,
        *,
        now: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._response_type = operation.response_type
        self._settings = settings
        self._key = key
        self._jitter = jitter
        self._deadline = now + settings.deadline_seconds
        self._attempts = 0
        self._outcome: Response | NoResponse = NoResponse(reason="nothing was sent")
        self._request_id = f"req_{uuid.uuid4()}"
        self._idempotency_key = _idempotency_key(operation) if operation.is_write else None
        self.request: Final = self._build_request(operation)

    def attempt_timeout_seconds(self, now: float) -> float:
        """The time limit of the next attempt: its own timeout, cut short by the call's deadline."""
        return max(min(self._settings.timeout_seconds, self._deadline - now), 0.001)

    def redacted_response(self, status: int, headers: Mapping[str, str], body: bytes) -> Response:
        """The response without the API key: a server may echo the request, and errors quote the
        response."""
        redacted = {name: self._key.redacted(headers.get(name, "")) for name in _RESPONSE_HEADERS}
        return Response(status=status, headers=redacted, body=self._key.redacted_bytes(body))

    def record(self, outcome: Response | NoResponse, *, now: float) -> float | None:
        """Record an attempt's outcome. Returns the seconds to wait before the next attempt, or None
        when the call is over."""
        self._outcome = outcome
        self._attempts += 1
        if not _is_retryable(outcome) or self._attempts > self._settings.max_retries:
            return None
        backoff = min(_FIRST_BACKOFF_SECONDS * 2 ** (self._attempts - 1), _MAX_BACKOFF_SECONDS)
        delay = self._jitter() * backoff + _retry_after_seconds(outcome)
        return delay if now + delay < self._deadline else None

    def result(self) -> T:
        """The decoded response of the last attempt; raises a WhaleError if it failed."""
        match self._outcome:
            case NoResponse(reason=reason, timed_out=timed_out):
                kind = TimedOut if timed_out else ConnectionFailed
                hint = "" if timed_out else self._default_address_hint()
                raise kind(
                    self._describe_failure(reason) + hint,
                    request_id=self._request_id,
                    idempotency_key=self._idempotency_key,
                )
            case Response(status=status) as response if 200 <= status < 300:
                return self._decode(response)
            case response:
                raise self._error(response)

    def _describe_failure(self, reason: str) -> str:
        """The reason and the request that failed; redacted, since a caller may have passed the API
        key as an id."""
        request = f"{self.request.method} {self.request.url}"
        return self._key.redacted(f"{reason} ({request}, attempts: {self._attempts})")

    def _default_address_hint(self) -> str:
        """Names the setting that may be missing, if the call went to the default address."""
        if self._settings.base_url != DEFAULT_BASE_URL:
            return ""
        return ". This is the default address; set WHALE_BASE_URL or pass base_url to change it"

    def _decode(self, response: Response) -> T:
        if self._response_type is None:
            return None  # type: ignore[return-value]
        try:
            decoded: T = msgspec.json.decode(response.body, type=self._response_type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problem = str(error)
        else:
            return decoded
        # Raised outside the handler: the decoder's error would be its context.
        raise self._unexpected_response(response, f"the response cannot be decoded: {problem}")

    def _error(self, response: Response) -> WhaleError:
        problem = _parse_problem(response.body)
        if problem is None:
            return self._unexpected_response(response, "not an error of this API")
        code = problem["code"]
        return BY_CODE.get(code, ApiError)(
            str(problem.get("detail") or problem.get("title") or code),
            status=response.status,
            code=code,
            extra={name: value for name, value in problem.items() if name not in _PROBLEM_MEMBERS},
            request_id=self._request_id,
            idempotency_key=self._idempotency_key,
        )

    def _unexpected_response(self, response: Response, problem: str) -> UnexpectedAnswer:
        media_type = response.headers["content-type"] or "no content type"
        excerpt = response.body[:_EXCERPT_LENGTH].decode(errors="replace")
        return UnexpectedAnswer(
            f"{problem}; {media_type[:_EXCERPT_LENGTH]}: {excerpt!r}",
            status=response.status,
            request_id=self._request_id,
            idempotency_key=self._idempotency_key,
        )

    def _build_request(self, operation: Operation[Any]) -> Request:
        headers = {"Accept": "application/json", "X-Request-Id": self._request_id}
        if self._idempotency_key is not None:
            headers["Idempotency-Key"] = self._idempotency_key
        if operation.body is not None:
            headers["Content-Type"] = operation.content_type
        base, store = self._settings.base_url, self._settings.store
        url = f"{base}/v1/stores/{store}/{operation.target}"
        return Request(method=operation.method, url=url, headers=headers, body=operation.body)


def _idempotency_key(write: Operation[Any]) -> str:
    """The caller's idempotency key, or a new one. Raises InvalidArgument for a key that a header
    cannot carry."""
    key = write.idempotency_key
    if key is None:
        return str(uuid.uuid4())
    if not isinstance(key, str) or not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidArgument(
            "idempotency_key must be a str of 1-255 printable ASCII characters"
            f" without leading or trailing blanks, not {key!r}"
        )
    return key


def _is_retryable(outcome: Response | NoResponse) -> bool:
    """Whether the same request may succeed if it is retried in a moment."""
    match outcome:
        case NoResponse():
            return True
        case Response(status=409, body=body):
            problem = _parse_problem(body)
            return problem is not None and problem["code"] == IdempotencyInFlight.code
        case Response(status=status):
            return status in _RETRYABLE_STATUSES


def _parse_problem(body: bytes) -> dict[str, Any] | None:
    """The problem document in the body, or None if the body is not an error of this API."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    is_problem = isinstance(document, dict) and isinstance(document.get("code"), str)
    return document if is_problem else None


def _retry_after_seconds(outcome: Response | NoResponse) -> float:
    """The delay that the Retry-After header requests, in seconds or as a date; 0 without one."""
    if isinstance(outcome, NoResponse):
        return 0.0
    retry_after = outcome.headers["retry-after"].strip()
    if _SECONDS.fullmatch(retry_after):
        return float(retry_after)
    try:
        # Compared with the server's Date, so that a wrong local clock makes no difference.
        until = parsedate_to_datetime(retry_after)
        delay = until - parsedate_to_datetime(outcome.headers["date"])
    except (ValueError, TypeError):
        return 0.0
    return max(delay.total_seconds(), 0.0)
