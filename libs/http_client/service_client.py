"""A client of one service of this system: its processes, the internal token, and one kind of failure."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from libs.contracts.headers import IDEMPOTENCY_HIT, IDEMPOTENCY_KEY
from libs.http_client.connections import (
    ConnectionBroken,
    ConnectionPool,
    NotConnected,
    ServiceResponse,
)
from libs.kernel.errors import NotFound, Refused, Unavailable, WhaleError
from libs.observability import logging, metrics, tracing

# The headers that the caller of a service reads. All others end here.
_PASSED_BACK: Final = (
    *("Content-Type", IDEMPOTENCY_HIT, "Allow"),
    *("Retry-After", "RateLimit", "RateLimit-Policy"),
)
_LEAST_SECONDS: Final = 0.001
# A pause before each round over all processes. Together they last long enough for a load balancer
# between here and there to notice that a process is down.
_PAUSES_SECONDS: Final = (0.0, 0.05, 0.2)
# For so long after a failure, a process is tried after the others.
_AVOIDED_SECONDS: Final = 1.0

log = logging.get(__name__)


class ServiceClient:
    """A client of the service `name`, whose processes are at `urls`; used between `start` and `stop`.

    Requests rotate over the processes. A request that a process did not accept goes to the next
    process. So does a request whose connection broke, if it may arrive twice. A process that stops or
    crashes therefore costs callers nothing while another process runs. A response has the
    `response_headers` of those that the service sent.
    """

    def __init__(
        self,
        name: str,
        urls: Sequence[str],
        *,
        internal_token: str,
        timeout_seconds: float,
        response_headers: Sequence[str] = _PASSED_BACK,
    ) -> None:
        self._name = name
        names = frozenset(header.lower().encode() for header in response_headers)
        self._pools = [ConnectionPool(url.rstrip("/"), response_headers=names) for url in urls]
        self._authorization = f"Bearer {internal_token}"
        self._timeout_seconds = timeout_seconds
        self._first = 0
        self._avoided_until: dict[ConnectionPool, float] = {}

    async def start(self) -> None:
        """Do nothing: requests open the connections."""

    async def stop(self) -> None:
        for pool in self._pools:
            pool.close()

    async def send(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes = b"",
        *,
        repeatable: bool = False,
    ) -> ServiceResponse:
        """Send a request, as a part of the current trace; returns the response. `target` is the path and
        query, percent-encoded. A `repeatable` request may arrive twice, as reads and writes with an
        Idempotency-Key may.

        Raises Unavailable without a response: then either the write did not happen, or a retry with
        the same key gets its outcome.
        """
        with tracing.span(f"{method} {self._name}", "client") as span:
            headers = {**headers, tracing.HEADER: tracing.traceparent(tracing.current())}
            response = await self._send(method, target, headers, body, repeatable=repeatable)
            span.set_http_status(response.status)
            return response

    async def _send(
        self, method: str, target: str, headers: dict[str, str], body: bytes, *, repeatable: bool
    ) -> ServiceResponse:
        repeatable = repeatable or method == "GET" or _has_key(headers)
        headers = {**headers, "Authorization": self._authorization}
        failure: Exception
        until = time.monotonic() + self._timeout_seconds
        for pause in _PAUSES_SECONDS:
            if pause:
                await asyncio.sleep(pause)
            for pool in self._rotate():
                remaining = max(until - time.monotonic(), _LEAST_SECONDS)
                try:
                    return await pool.send(method, target, headers, body, timeout_seconds=remaining)
                except (NotConnected, ConnectionBroken, TimeoutError) as error:
                    failure = error
                self._record_failure(pool, failure)
                if not _may_resend(failure, repeatable) or time.monotonic() > until:
                    raise self._unavailable() from failure
        raise self._unavailable() from failure

    def _rotate(self) -> list[ConnectionPool]:
        """The processes, each time starting with the next one; those that failed recently come last."""
        self._first = (self._first + 1) % len(self._pools)
        now = time.monotonic()
        return sorted(
            self._pools[self._first :] + self._pools[: self._first],
            key=lambda pool: self._avoided_until.get(pool, now) > now,
        )

    def _record_failure(self, pool: ConnectionPool, failure: Exception) -> None:
        self._avoided_until[pool] = time.monotonic() + _AVOIDED_SECONDS
        metrics.UPSTREAM_FAILURES.labels(self._name).inc()
        log.warning("service_unavailable", service=self._name, url=pool.url, error=repr(failure))

    def _unavailable(self) -> Unavailable:
        return Unavailable(
            f"The {self._name} service is unavailable. Wait for as long as `Retry-After` says, then send "
            "the request again; send a write with the same Idempotency-Key."
        )


def _has_key(headers: dict[str, str]) -> bool:
    return any(name.lower() == IDEMPOTENCY_KEY.lower() for name in headers)


def _may_resend(failure: Exception, repeatable: bool) -> bool:
    """Whether the request did not reach the process, or may arrive twice. After a timeout there is no
    time left for another attempt."""
    if isinstance(failure, NotConnected):
        return True
    return repeatable and not isinstance(failure, TimeoutError)


def refusal_of(response: ServiceResponse) -> WhaleError:
    """The refusal in the response of a service, with which the request of this service's own caller
    is refused too.

    Raises Unavailable where the response is not one of these refusals.
    """
    try:
        problem = msgspec.json.decode(response.body, type=dict[str, Any])
        kind = _ERRORS[problem["code"]]
        detail = str(problem["detail"])
    except (msgspec.DecodeError, KeyError) as error:
        raise Unavailable(
            "Another service sent an unrecognized response. Try again in a moment."
        ) from error
    extra = {name: value for name, value in problem.items() if name not in _COMMON_FIELDS}
    refusal = kind.__new__(kind)
    WhaleError.__init__(refusal, detail, **extra)
    return refusal


# The fields of every problem document; all others are the data of the error.
_COMMON_FIELDS: Final = frozenset({"type", "title", "status", "detail", "instance", "code"})
_REFUSALS: Final[tuple[type[WhaleError], ...]] = (NotFound, *Refused.__subclasses__())
_ERRORS: Final = {kind.code: kind for kind in _REFUSALS}
