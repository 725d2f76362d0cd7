"""Handing a request to the service that owns it, body untouched, and its answer back."""

from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp import ClientTimeout
from msgspec import Struct
from yarl import URL

from libs.kernel.errors import Unavailable
from libs.observability import logging, metrics

# What an answer's reader may need; everything else is between us and the service.
_PASSED_BACK: Final = ("Content-Type", "Idempotency-Hit", "Retry-After", "Allow")
_CONNECT_SECONDS: Final = 2.0
_CONNECTIONS: Final = 512

log = logging.get(__name__)


class Upstream(Struct, frozen=True):
    """A service's answer, as it goes back to the caller."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Forwarder:
    """Keeps connections to the services; `services` maps their names to their addresses."""

    def __init__(
        self, services: Mapping[str, str], *, internal_token: str, timeout_seconds: float
    ) -> None:
        self._services = {name: url.rstrip("/") for name, url in services.items()}
        self._authorization = f"Bearer {internal_token}"
        self._timeout = ClientTimeout(total=timeout_seconds, sock_connect=_CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Be ready to forward; needs a running loop."""
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

    async def forward(
        self, service: str, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> Upstream:
        """The answer of `service` to the request; `target` is the path and query, encoded.

        Raises Unavailable where no answer came: then a write did not happen, or its outcome is
        learnt by repeating it with the same idempotency key.
        """
        assert self._session is not None
        headers["Authorization"] = self._authorization
        url = URL(self._services[service] + target, encoded=True)
        try:
            async with self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
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
            metrics.UPSTREAM_FAILURES.labels(service).inc()
            log.warning("no_answer", service=service, error=repr(error))
            raise Unavailable(f"The {service} service does not answer at the moment.") from error
