"""Health: whether the process responds, whether it can do its work, and for those who may know, why not."""

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
# Readiness is public: however often it is asked for, the checks run once in this time.
_FRESH_SECONDS: Final = 1.0

Check = Callable[[], Awaitable[None]]


class Readiness:
    """What the checks say now, or said within the last second."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._found: dict[str, str] = {}

    async def failing(self) -> dict[str, str]:
        """The checks that fail, each with its reason; concurrent callers share one look."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._found = await _failing(self._checks)
                self._until = time.monotonic() + _FRESH_SECONDS
            return self._found


async def _failing(checks: Mapping[str, Check]) -> dict[str, str]:
    async def run(check: Check) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except TimeoutError:
            return "no answer in time"
        except Exception as error:  # noqa: BLE001  whatever it is, it is why we are not ready
            return str(error) or type(error).__name__
        return None

    found = await asyncio.gather(*(run(check) for check in checks.values()))
    return {name: fault for name, fault in zip(checks, found, strict=True) if fault is not None}


class InternalToken:
    """What our own services and the operator's tools show."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def is_in(self, authorization: bytes) -> bool:
        """Whether this Authorization header carries it."""
        return hmac.compare_digest(authorization, self._expected)


def health_routes(
    checks: Mapping[str, Check], token: InternalToken
) -> list[ControllerRouterHandler]:
    """`/health/live`: the process responds. `/health/ready`: it can do its work. Anyone may ask for
    both; the reasons name our parts, so they are for those who show the internal token."""
    readiness = Readiness(checks)

    @get("/health/live", operation_id="live", sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/health/ready", operation_id="ready")
    async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        faults = await readiness.failing()
        if not faults:
            return Response({"status": "ready"}, status_code=200)
        shown: dict[str, Any] = {"status": "not ready"}
        if token.is_in(request.headers.get("authorization", "").encode("latin-1")):
            shown["failing"] = faults
        return Response(shown, status_code=503)

    return [live, ready]
