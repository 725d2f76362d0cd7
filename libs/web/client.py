"""Calling our own services over HTTP: kept connections, the internal token, one kind of failure."""

from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import ClientTimeout
from msgspec import Struct
from yarl import URL

from libs.kernel.errors import NotFound, Refused, Unavailable, WhaleError
from libs.observability import logging, metrics

# What an answer's reader may need; everything else is between us and the service.
_PASSED_BACK: Final = ("Content-Type", "Idempotency-Hit", "Retry-After", "Allow")
_CONNECT_SECONDS: Final = 2.0
_CONNECTIONS: Final = 512

log = logging.get(__name__)


class Upstream(Struct, frozen=True):
    """A service's answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class ServiceClient:
    """Keeps connections to one service, `name` at `url`; used between `start` and `stop`."""

    def __init__(self, name: str, url: str, *, internal_token: str, timeout_seconds: float) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._authorization = f"Bearer {internal_token}"
        self._timeout = ClientTimeout(total=timeout_seconds, sock_connect=_CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Be ready to send; needs a running loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=30),
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b""
    ) -> Upstream:
        """The answer to a request; `target` is the path and query, encoded.

        Raises Unavailable where no answer came: then a write did not happen, or its outcome is
        learnt by repeating it with the same key.
        """
        assert self._session is not None
        url = URL(self._url + target, encoded=True)
        try:
            async with self._session.request(
                method,
                url,
                data=body or None,
                headers={**headers, "Authorization": self._authorization},
                allow_redirects=False,
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
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.UPSTREAM_FAILURES.labels(self._name).inc()
            log.warning("no_answer", service=self._name, error=repr(error))
            raise Unavailable(f"The {self._name} service does not answer at the moment.") from error


def refusal_in(answer: Upstream) -> WhaleError:
    """The refusal that a service answered with, to be answered to our own caller as it is.

    Raises Unavailable where the answer is none of the errors that callers may meet.
    """
    try:
        problem = msgspec.json.decode(answer.body, type=dict[str, Any])
        kind = _ERRORS[problem["code"]]
        detail = str(problem["detail"])
    except (msgspec.DecodeError, KeyError) as error:
        raise Unavailable("A service answered what nobody understands.") from error
    extra = {name: value for name, value in problem.items() if name not in _OWN_MEMBERS}
    refusal = kind.__new__(kind)
    WhaleError.__init__(refusal, detail, **extra)
    return refusal


# What RFC 9457 and our own answers have on every problem.
_OWN_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance", "code"})
_REFUSALS: Final[tuple[type[WhaleError], ...]] = (NotFound, *Refused.__subclasses__())
_ERRORS: Final = {kind.code: kind for kind in _REFUSALS}
