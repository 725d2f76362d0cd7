"""Limits for one call: `with_limits` of both Python clients."""

from collections.abc import Iterator

import httpx
import pytest

from whale_loyalty import AsyncWhaleClient, WhaleClient
from whale_loyalty.errors import ClientClosed, ConfigurationError, TimedOut, Unavailable


class Server:
    """Counts the requests, and responds that it is unavailable."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(503, json={"code": "unavailable", "detail": "Later."})

    def time_out(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        raise httpx.ReadTimeout("late", request=request)

    def timeouts(self) -> Iterator[float]:
        """The time limit of each request, in seconds."""
        return (request.extensions["timeout"]["read"] for request in self.requests)


def test_limits_hold_for_the_calls_of_the_returned_client_only() -> None:
    server = Server()
    with WhaleClient("wk_live_x", transport=httpx.MockTransport(server.time_out)) as whale:
        quick = whale.with_limits(timeout_seconds=0.5, max_retries=0)
        with pytest.raises(TimedOut):
            quick.customers.retrieve("cust_1")
        assert list(server.timeouts()) == [0.5]
        with pytest.raises(TimedOut):
            whale.with_limits(max_retries=0).customers.retrieve("cust_1")
        assert list(server.timeouts()) == [0.5, 20.0]


def test_a_deadline_ends_the_retries() -> None:
    """On a busy machine the deadline may pass during an attempt, instead of between two."""
    server = Server()
    with WhaleClient("wk_live_x", transport=httpx.MockTransport(server.respond)) as whale:
        with pytest.raises((Unavailable, TimedOut)):
            whale.with_limits(deadline_seconds=0.5, max_retries=100).programs.list()
        assert len(server.requests) < 100


async def test_the_async_client_has_limits_of_one_call_too() -> None:
    server = Server()
    transport = httpx.MockTransport(server.respond)
    async with AsyncWhaleClient("wk_live_x", transport=transport) as whale:
        with pytest.raises(Unavailable):
            await whale.with_limits(max_retries=0).customers.retrieve("cust_1")
    assert len(server.requests) == 1


async def test_closing_one_client_closes_both() -> None:
    whale = WhaleClient("wk_live_x")
    whale.with_limits(max_retries=0).close()
    with pytest.raises(ClientClosed):
        whale.customers.retrieve("cust_1")
    second = AsyncWhaleClient("wk_live_x")
    await second.with_limits(max_retries=0).close()
    with pytest.raises(ClientClosed):
        await second.customers.retrieve("cust_1")


@pytest.mark.parametrize("name", ["timeout_seconds", "deadline_seconds", "max_retries"])
def test_an_invalid_limit_is_refused(name: str) -> None:
    with WhaleClient("wk_live_x") as whale, pytest.raises(ConfigurationError, match=name):
        whale.with_limits(**{name: -1})
