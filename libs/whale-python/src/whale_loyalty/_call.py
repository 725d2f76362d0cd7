"""One call from its first attempt to its result: no I/O and no clock, so that both clients share it.

A client sends `Call.request`, tells `Call.after` what came of it, waits as long as it is told and
sends again, until it is told to stop; then `Call.result` gives the answer or raises.
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

# The longest wait before the second attempt and before any, in seconds, unless the server asks for
# more. They double in between; each wait is drawn from all of its range, so that clients spread.
_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 5.0

# 502 and 504 are a broken connection, seen by a proxy: a write has its key, so it may go again.
_WORTH_ANOTHER: Final = frozenset({408, 429, 502, 503, 504})

# So much of a body that is not ours is shown.
_SHOWN: Final = 200

_HEADERS_READ: Final = ("content-type", "date", "retry-after")
_PROBLEM: Final = frozenset({"type", "title", "status", "detail", "instance", "code"})
# Blanks at the ends of a header's value do not arrive: the server would keep another key.
_IDEMPOTENCY_KEY: Final = re.compile(r"(?! )[\x20-\x7e]{1,255}(?<! )")
_SECONDS: Final = re.compile(r"\d{1,9}")


class Request(Struct, frozen=True, kw_only=True):
    """What goes over the wire, but for the API key."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Answer(Struct, frozen=True, kw_only=True):
    """What came back, as `Call.received` reads it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Struct, frozen=True, kw_only=True):
    """Nothing came back, or only a part."""

    why: str
    timed_out: bool = False


class Call(Generic[T]):
    """The state of one call; every attempt sends the same request, with the same keys."""

    def __init__(
        self,
        operation: Operation[T],
        settings: Settings,
        key: ApiKey,
        *,
        now: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._answer_type = operation.answer
        self._settings = settings
        self._key = key
        self._draw = draw
        self._deadline = now + settings.deadline_seconds
        self._attempts = 0
        self._outcome: Answer | NoAnswer = NoAnswer(why="nothing was sent")
        self._request_id = f"req_{uuid.uuid4()}"
        self._idempotency_key = _key_of(operation) if operation.writes else None
        self.request: Final = self._request_of(operation)

    def attempt_seconds(self, now: float) -> float:
        """How long the next attempt may take."""
        return max(min(self._settings.timeout_seconds, self._deadline - now), 0.001)

    def received(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        """An answer without the API key, in case that a server repeats what it was sent: what is kept
        may be shown."""
        kept = {name: self._key.redacted(headers.get(name, "")) for name in _HEADERS_READ}
        return Answer(status=status, headers=kept, body=self._key.redacted_bytes(body))

    def after(self, outcome: Answer | NoAnswer, *, now: float) -> float | None:
        """The seconds to wait before the next attempt, or None where the call is at its end."""
        self._outcome = outcome
        self._attempts += 1
        if not _is_worth_another(outcome) or self._attempts > self._settings.max_retries:
            return None
        longest = min(_FIRST_WAIT * 2 ** (self._attempts - 1), _LONGEST_WAIT)
        wait = self._draw() * longest + _asked_wait(outcome)
        return wait if now + wait < self._deadline else None

    def result(self) -> T:
        """What the API answered; raises what it refused, or that nothing came."""
        match self._outcome:
            case NoAnswer(why=why, timed_out=timed_out):
                kind = TimedOut if timed_out else ConnectionFailed
                raise kind(
                    self._told_of(why) + ("" if timed_out else self._hint()),
                    request_id=self._request_id,
                    idempotency_key=self._idempotency_key,
                )
            case Answer(status=status) as answer if 200 <= status < 300:
                return self._read(answer)
            case answer:
                raise self._error(answer)

    def _told_of(self, why: str) -> str:
        """What was tried in vain; without the key, in case that it stands where an id should."""
        tried = f"{self.request.method} {self.request.url}"
        return self._key.redacted(f"{why} ({tried}, attempts: {self._attempts})")

    def _hint(self) -> str:
        """Whoever gave no address may not know that there is one to give."""
        if self._settings.base_url != DEFAULT_BASE_URL:
            return ""
        return ". This is the default address; for another, set WHALE_BASE_URL or give a base_url"

    def _read(self, answer: Answer) -> T:
        if self._answer_type is None:
            return None  # type: ignore[return-value]
        fault = ""
        try:
            read: T = msgspec.json.decode(answer.body, type=self._answer_type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            fault = str(error)
        else:
            return read
        raise self._unexpected(answer, f"the answer cannot be read: {fault}")

    def _error(self, answer: Answer) -> WhaleError:
        problem = _problem_in(answer.body)
        if problem is None:
            return self._unexpected(answer, "not an error of this API")
        code = problem["code"]
        return BY_CODE.get(code, ApiError)(
            str(problem.get("detail") or problem.get("title") or code),
            status=answer.status,
            code=code,
            extra={name: value for name, value in problem.items() if name not in _PROBLEM},
            request_id=self._request_id,
            idempotency_key=self._idempotency_key,
        )

    def _unexpected(self, answer: Answer, what: str) -> UnexpectedAnswer:
        kind = answer.headers["content-type"] or "no content type"
        shown = answer.body[:_SHOWN].decode(errors="replace")
        return UnexpectedAnswer(
            f"{what}; {kind[:_SHOWN]}: {shown!r}",
            status=answer.status,
            request_id=self._request_id,
            idempotency_key=self._idempotency_key,
        )

    def _request_of(self, operation: Operation[Any]) -> Request:
        headers = {"Accept": "application/json", "X-Request-Id": self._request_id}
        if self._idempotency_key is not None:
            headers["Idempotency-Key"] = self._idempotency_key
        if operation.body is not None:
            headers["Content-Type"] = operation.content_type
        base, store = self._settings.base_url, self._settings.store
        url = f"{base}/v1/stores/{store}/{operation.target}"
        return Request(method=operation.method, url=url, headers=headers, body=operation.body)


def _key_of(write: Operation[Any]) -> str:
    """The caller's idempotency key, or a new one; InvalidArgument for one that no header can carry."""
    key = write.idempotency_key
    if key is None:
        return str(uuid.uuid4())
    if not isinstance(key, str) or not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidArgument(
            "An idempotency_key is a str of 1-255 printable ASCII characters,"
            f" without blanks at its ends, not {key!r}"
        )
    return key


def _is_worth_another(outcome: Answer | NoAnswer) -> bool:
    """Whether the same request may well be answered otherwise in a moment."""
    match outcome:
        case NoAnswer():
            return True
        case Answer(status=409, body=body):
            problem = _problem_in(body)
            return problem is not None and problem["code"] == IdempotencyInFlight.code
        case Answer(status=status):
            return status in _WORTH_ANOTHER


def _problem_in(body: bytes) -> dict[str, Any] | None:
    """The problem document, where the body is one of this API's."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("code"), str) else None


def _asked_wait(outcome: Answer | NoAnswer) -> float:
    """The seconds that the server asks to wait: Retry-After, in seconds or as a date."""
    if isinstance(outcome, NoAnswer):
        return 0.0
    asked = outcome.headers["retry-after"].strip()
    if _SECONDS.fullmatch(asked):
        return float(asked)
    try:
        # The server's own clock on both sides, so that a wrong one of ours makes no difference.
        until = parsedate_to_datetime(asked)
        wait = until - parsedate_to_datetime(outcome.headers["date"])
    except (ValueError, TypeError):
        return 0.0
    return max(wait.total_seconds(), 0.0)
