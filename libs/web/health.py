"""Health: whether the process responds, whether it can do its work, and why not."""

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
# Readiness is public: however often it is requested, the checks run once in this time.
_CACHED_SECONDS: Final = 1.0

Check = Callable[[], Awaitable[None]]


class Readiness:
    """The results of the checks, at most a second old."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._failures: dict[str, str] = {}

    async def find_failures(self) -> dict[str, str]:
        """The checks that fail, each with its reason; concurrent callers share one run."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._failures = await _run(self._checks)
                self._until = time.monotonic() + _CACHED_SECONDS
            return self._failures


async def _run(checks: Mapping[str, Check]) -> dict[str, str]:
    async def run(check: Check) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except TimeoutError:
            return "timed out"
        except Exception as error:  # noqa: BLE001  any exception is a reason not to be ready
            return str(error) or type(error).__name__
        return None

    reasons = await asyncio.gather(*(run(check) for check in checks.values()))
    return {
        name: reason for name, reason in zip(checks, reasons, strict=True) if reason is not None
    }


class InternalToken:
    """The token of the services of this system and of the operator's tools."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def is_in(self, authorization: bytes) -> bool:
        """Whether this Authorization header has the token."""
        return hmac.compare_digest(authorization, self._expected)


def health_routes(
    checks: Mapping[str, Check], token: InternalToken
) -> list[ControllerRouterHandler]:
    """`/health/live`: the process responds. `/health/ready`: it can do its work. Both are public. The
    reasons name parts of the system, so only callers with the internal token get them."""
    readiness = Readiness(checks)

    @get("/health/live", operation_id="live", sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/health/ready", operation_id="ready")
    async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        failures = await readiness.find_failures()
        if not failures:
            return Response({"status": "ready"}, status_code=200)
        content: dict[str, Any] = {"status": "not ready"}
        if token.is_in(request.headers.get("authorization", "").encode("latin-1")):
            content["failing"] = failures
        return Response(content, status_code=503)

    return [live, ready]
