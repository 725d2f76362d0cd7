"""The two clients, blocking and async: the same methods over the same operations."""

import copy
from types import TracebackType
from typing import Final, Self

import httpx

from whale_loyalty._async_tree import (
    AsyncCustomers,
    AsyncEvents,
    AsyncKey,
    AsyncLoyalty,
    AsyncPrograms,
)
from whale_loyalty._settings import Settings, resolve_api_key, resolve_settings, with_limits
from whale_loyalty._transport import AsyncConnections, AsyncTransport, Transport, connections
from whale_loyalty._tree import Customers, Events, Key, Loyalty, Programs

# A little longer than the service takes to respond 503 when a dependency is unavailable.
_TIMEOUT_SECONDS: Final = 20.0
_DEADLINE_SECONDS: Final = 60.0
_MAX_RETRIES: Final = 5


class WhaleClient:
    """The blocking client; safe to share between threads.

    `api_key` and `base_url` default to WHALE_API_KEY and WHALE_BASE_URL. An attempt takes at most
    `timeout_seconds`, a call with its retries about `deadline_seconds`. `transport` replaces the
    network in tests. Raises ConfigurationError.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        store: str = "me",
        timeout_seconds: float = _TIMEOUT_SECONDS,
        deadline_seconds: float = _DEADLINE_SECONDS,
        max_retries: int = _MAX_RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        settings = resolve_settings(
            base_url=base_url,
            store=store,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_retries=max_retries,
        )
        key = resolve_api_key(api_key)
        self._attach(settings, Transport(settings, key, connections(key, transport)))

    def _attach(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport
        self.programs = Programs(transport)
        self.customers = Customers(transport)
        self.loyalty = Loyalty(transport)
        self.events = Events(transport)
        self.key = Key(transport)

    def with_limits(
        self,
        *,
        timeout_seconds: float | None = None,
        deadline_seconds: float | None = None,
        max_retries: int | None = None,
    ) -> Self:
        """The client with other limits, for one call or more; both share their connections, and closing
        one closes the other. A limit that is None is unchanged. Raises ConfigurationError."""
        settings = with_limits(
            self._settings,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_retries=max_retries,
        )
        client = copy.copy(self)
        client._attach(settings, self._transport.with_settings(settings))
        return client

    def close(self) -> None:
        """Close the connections. Later calls raise ClientClosed."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return _repr(self, self._settings)


class AsyncWhaleClient:
    """The async client, for asyncio and trio. Takes the same arguments as WhaleClient."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        store: str = "me",
        timeout_seconds: float = _TIMEOUT_SECONDS,
        deadline_seconds: float = _DEADLINE_SECONDS,
        max_retries: int = _MAX_RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        settings = resolve_settings(
            base_url=base_url,
            store=store,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_retries=max_retries,
        )
        key = resolve_api_key(api_key)
        self._attach(settings, AsyncTransport(settings, key, AsyncConnections(key, transport)))

    def _attach(self, settings: Settings, transport: AsyncTransport) -> None:
        self._settings = settings
        self._transport = transport
        self.programs = AsyncPrograms(transport)
        self.customers = AsyncCustomers(transport)
        self.loyalty = AsyncLoyalty(transport)
        self.events = AsyncEvents(transport)
        self.key = AsyncKey(transport)

    def with_limits(
        self,
        *,
        timeout_seconds: float | None = None,
        deadline_seconds: float | None = None,
        max_retries: int | None = None,
    ) -> Self:
        """The client with other limits, for one call or more; both share their connections, and closing
        one closes the other. A limit that is None is unchanged. Raises ConfigurationError."""
        settings = with_limits(
            self._settings,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_retries=max_retries,
        )
        client = copy.copy(self)
        client._attach(settings, self._transport.with_settings(settings))
        return client

    async def close(self) -> None:
        """Close the connections. Later calls raise ClientClosed."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return _repr(self, self._settings)


def _repr(client: object, settings: Settings) -> str:
    return f"{type(client).__name__}(base_url={settings.base_url!r}, store={settings.store!r})"
