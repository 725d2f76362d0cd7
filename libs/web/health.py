"""Health endpoints: liveness, readiness, and the failing checks for callers with the internal token."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from litestar import Request, Response, get
from litestar.types import ControllerRouterHandler

PREFIX: Final = "/health/"

# A readiness check that hangs must not hang the caller.
_CHECK_SECONDS: Final = 2.0
# Readiness is public, so its result is cached: requests must not multiply the checks.
_FRESH_SECONDS: Final = 1.0

Check = Callable[[], Awaitable[None]]


class Readiness:
    """The results of the readiness checks, cached for a second."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._lock = asyncio.Lock()
        self._fresh_until = 0.0
        self._failures: dict[str, str] = {}

    async def find_failures(self) -> dict[str, str]:
        """The reason of each failing check, by the check's name. Concurrent callers share a run."""
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._failures = await _run_checks(self._checks)
                self._fresh_until = time.monotonic() + _FRESH_SECONDS
            return self._failures


async def _run_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    async def run(check: Check) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except TimeoutError:
            return "no response in time"
        except Exception as error:  # noqa: BLE001  any failure is a reason
            return str(error) or type(error).__name__
        return None

    reasons = await asyncio.gather(*(run(check) for check in checks.values()))
    return {
        name: reason for name, reason in zip(checks, reasons, strict=True) if reason is not None
    }


class InternalToken:
    """The token by which services and the operator's tools authenticate to each other."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def is_in(self, authorization: bytes) -> bool:
        """Whether the Authorization header has the token."""
        return hmac.compare_digest(authorization, self._expected)


def health_routes(readiness: Readiness, token: InternalToken) -> list[ControllerRouterHandler]:
    """`/health/live`: the process responds. `/health/ready`: it can do its work. Both are public; the
    reasons name internals, so only callers with the internal token get them."""

    @get("/health/live", operation_id="live", sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/health/ready", operation_id="ready")
    async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        failures = await readiness.find_failures()
        if not failures:
            return Response({"status": "ready"}, status_code=200)
        body: dict[str, Any] = {"status": "not ready"}
        if token.is_in(request.headers.get("authorization", "").encode("latin-1")):
            body["failing"] = failures
        return Response(body, status_code=503)

    return [live, ready]
