"""The route by which a service reports to the gateway whether it is ready, and how far its events are."""

import asyncio
from collections.abc import Awaitable, Callable

from litestar import get
from litestar.types import ControllerRouterHandler

from libs.contracts.internal import MessagingProgress, ServiceProgress
from libs.web.health import Readiness
from libs.web.requests import Body, json_body

ReadProgress = Callable[[], Awaitable[MessagingProgress]]


def progress_route(readiness: Readiness, read: ReadProgress) -> ControllerRouterHandler:
    """`/internal/progress`; the caller needs the internal token."""

    @get("/internal/progress")
    async def progress() -> Body:
        failures, messaging = await asyncio.gather(readiness.find_failures(), read())
        return json_body(ServiceProgress(failing=sorted(failures), messaging=messaging))

    return progress
