"""The two clients, blocking and async: the same methods over the same operations."""

from types import TracebackType
from typing import Final, Self

import httpx

from whale_loyalty._async_tree import AsyncEvents, AsyncLoyalty
from whale_loyalty._settings import Settings, resolve_api_key, resolve_settings
from whale_loyalty._transport import AsyncTransport, Transport
from whale_loyalty._tree import Events, Loyalty

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
        self._settings = resolve_settings(
            base_url=base_url,
            store=store,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_retries=max_retries,
        )
        self._transport = Transport(self._settings, resolve_api_key(api_key), transport)
        self.loyalty = Loyalty(self._transport)
        self.events = Events(self._transport)

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
        self._settings = resolve_settings(
            base_url=base_url,
            store=store,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_retries=max_retries,
        )
        self._transport = AsyncTransport(self._settings, resolve_api_key(api_key), transport)
        self.loyalty = AsyncLoyalty(self._transport)
        self.events = AsyncEvents(self._transport)

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
