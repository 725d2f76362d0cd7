"""Calling our own services over HTTP: kept connections to each of their processes, the internal
token, one kind of failure."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import ClientTimeout
from msgspec import Struct
from yarl import URL

from libs.kernel.errors import NotFound, Refused, Unavailable, WhaleError
from libs.observability import logging, metrics
from libs.web import idempotency

# What an answer's reader may need; everything else is between us and the service.
_PASSED_BACK: Final = (
    *("Content-Type", "Idempotency-Hit", "Allow"),
    *("Retry-After", "RateLimit", "RateLimit-Policy"),
)
_CONNECT_SECONDS: Final = 2.0
_LEAST_SECONDS: Final = 0.001
# To each process: one that hangs must not take the places of the others.
_CONNECTIONS: Final = 512
# All processes are tried this often, with these pauses: enough for a load balancer in between to
# notice that a process is gone, and soon over where there is none.
_PAUSES_SECONDS: Final = (0.0, 0.05, 0.2)
# A process that failed is tried after the others for so long.
_AVOIDED_SECONDS: Final = 1.0

log = logging.get(__name__)


class Upstream(Struct, frozen=True):
    """A service's answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class ServiceClient:
    """Keeps connections to the processes of one service, `name` at `urls`; used between `start` and
    `stop`.

    Requests take turns among the processes. One that a process did not take goes to the next, and
    so does one that was cut off, if it may arrive twice: a process that stops or crashes costs its
    callers nothing while another is there.
    """

    def __init__(
        self, name: str, urls: Sequence[str], *, internal_token: str, timeout_seconds: float
    ) -> None:
        self._name = name
        self._urls = [url.rstrip("/") for url in urls]
        self._authorization = f"Bearer {internal_token}"
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None
        self._turn = 0
        self._avoided_until: dict[str, float] = {}

    async def start(self) -> None:
        """Be ready to send; needs a running loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=_CONNECTIONS, keepalive_timeout=30
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes = b"",
        *,
        repeatable: bool = False,
    ) -> Upstream:
        """The answer to a request; `target` is the path and query, encoded. A `repeatable` request
        may arrive twice; so may reads, and writes with an Idempotency-Key.

        Raises Unavailable where no answer came: then a write did not happen, or its outcome is
        learnt by repeating it with the same key.
        """
        repeatable = repeatable or method == "GET" or _has_key(headers)
        until = time.monotonic() + self._timeout_seconds
        for pause in _PAUSES_SECONDS:
            if pause:
                await asyncio.sleep(pause)
            for url in self._in_turn():
                try:
                    return await self._send_to(url, method, target, headers, body, until)
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    failure = error
                self._note(url, failure)
                if not _may_be_sent_again(failure, repeatable) or time.monotonic() > until:
                    raise self._unavailable() from failure
        raise self._unavailable() from failure

    def _in_turn(self) -> list[str]:
        """The processes, another one first each time; those that failed just now come last."""
        self._turn = (self._turn + 1) % len(self._urls)
        now = time.monotonic()
        return sorted(
            self._urls[self._turn :] + self._urls[: self._turn],
            key=lambda url: self._avoided_until.get(url, now) > now,
        )

    async def _send_to(
        self, url: str, method: str, target: str, headers: dict[str, str], body: bytes, until: float
    ) -> Upstream:
        assert self._session is not None
        left = max(until - time.monotonic(), _LEAST_SECONDS)
        async with self._session.request(
            method,
            URL(url + target, encoded=True),
            data=body or None,
            headers={**headers, "Authorization": self._authorization},
            allow_redirects=False,
            timeout=ClientTimeout(total=left, sock_connect=min(_CONNECT_SECONDS, left)),
        ) as answer:
            return Upstream(
                status=answer.status,
                headers=[
                    (name.lower().encode(), answer.headers[name].encode("latin-1"))
                    for name in _PASSED_BACK
                    if name in answer.headers
                ],
                body=await answer.read(),
            )

    def _note(self, url: str, failure: Exception) -> None:
        self._avoided_until[url] = time.monotonic() + _AVOIDED_SECONDS
        metrics.UPSTREAM_FAILURES.labels(self._name).inc()
        log.warning("no_answer", service=self._name, url=url, error=repr(failure))

    def _unavailable(self) -> Unavailable:
        return Unavailable(
            f"The {self._name} service is unavailable. Send the request again after the seconds in "
            "`Retry-After`, a write with the same Idempotency-Key."
        )


def _has_key(headers: dict[str, str]) -> bool:
    return any(name.lower() == idempotency.HEADER.lower() for name in headers)


def _may_be_sent_again(failure: Exception, repeatable: bool) -> bool:
    """Whether the request did not reach the process, or may reach one twice. A timeout is neither:
    the time is up."""
    if isinstance(failure, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return True
    return repeatable and not isinstance(failure, TimeoutError)


def refusal_in(answer: Upstream) -> WhaleError:
    """The refusal that a service answered with, to be answered to our own caller as it is.

    Raises Unavailable where the answer is none of the errors that callers may meet.
    """
    try:
        problem = msgspec.json.decode(answer.body, type=dict[str, Any])
        kind = _ERRORS[problem["code"]]
        detail = str(problem["detail"])
    except (msgspec.DecodeError, KeyError) as error:
        raise Unavailable(
            "Another service sent an unrecognized response. Try again in a moment."
        ) from error
    extra = {name: value for name, value in problem.items() if name not in _OWN_MEMBERS}
    refusal = kind.__new__(kind)
    WhaleError.__init__(refusal, detail, **extra)
    return refusal


# What RFC 9457 and our own answers have on every problem.
_OWN_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance", "code"})
_REFUSALS: Final[tuple[type[WhaleError], ...]] = (NotFound, *Refused.__subclasses__())
_ERRORS: Final = {kind.code: kind for kind in _REFUSALS}
