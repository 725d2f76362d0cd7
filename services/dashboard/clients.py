"""The public API as the dashboard calls it: the published client, one for each key in use."""

import asyncio
from collections import OrderedDict
from typing import Final

from libs.observability.httpx_transport import TracedTransport
from whale_loyalty import AsyncWhaleClient, errors

# Each client has connections of its own; the one that was not used for the longest time is closed.
_MAX_CLIENTS: Final = 128

# After one of these, a write may have happened: it is repeated with the same key.
UNKNOWN_OUTCOME: Final = (
    errors.ConnectionFailed,
    errors.TimedOut,
    errors.Unavailable,
    errors.RequestTimeout,
    errors.InternalError,
    errors.UnexpectedAnswer,
    errors.IdempotencyInFlight,
)


class Clients:
    """A client for each API key. All of them wait for a response no longer than for a panel of a page;
    a write gets more time by `writing`."""

    def __init__(
        self, gateway_url: str, *, timeout_seconds: float, write_timeout_seconds: float
    ) -> None:
        self._gateway_url = gateway_url
        self._timeout_seconds = timeout_seconds
        self._write_timeout_seconds = write_timeout_seconds
        self._clients: OrderedDict[str, AsyncWhaleClient] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, api_key: str) -> AsyncWhaleClient:
        """The client of a key, for reads; raises ConfigurationError for what no key can be."""
        client = self._clients.get(api_key)
        if client is None:
            client = self._clients[api_key] = AsyncWhaleClient(
                api_key,
                base_url=self._gateway_url,
                timeout_seconds=self._timeout_seconds,
                deadline_seconds=self._timeout_seconds,
                max_retries=0,
                transport=TracedTransport(),
            )
        self._clients.move_to_end(api_key)
        if len(self._clients) > _MAX_CLIENTS:
            _, oldest = self._clients.popitem(last=False)
            task = asyncio.get_running_loop().create_task(oldest.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return client

    def writing(self, client: AsyncWhaleClient) -> AsyncWhaleClient:
        """The same client with the time that a write needs."""
        seconds = self._write_timeout_seconds
        return client.with_limits(timeout_seconds=seconds, deadline_seconds=seconds, max_retries=1)

    async def stop(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(client.close() for client in self._clients.values()))
