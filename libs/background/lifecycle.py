"""Starts and stops everything that a process runs or keeps open."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from msgspec import Struct


class BackgroundService(Protocol):
    """A component that has to be started before a process works, and stopped before it ends."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class OnStop(Struct, frozen=True):
    """A resource that opens on first use, and has to be closed with `close`."""

    close: Callable[[], Awaitable[None]]

    async def start(self) -> None:
        """Do nothing: the resource opens on first use."""

    async def stop(self) -> None:
        await self.close()


@asynccontextmanager
async def running(services: Sequence[BackgroundService]) -> AsyncIterator[None]:
    """Start `services` in order, and stop them in reverse order when the context ends.

    List a service after the services that it uses, so that it is stopped before them. Every started
    service is stopped, even if another one fails to start or stop; the failure is raised afterwards.
    """
    async with AsyncExitStack() as stack:
        for service in services:
            await service.start()
            stack.push_async_callback(service.stop)
        yield
