"""The API key is sent in one header of each request and appears nowhere else."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.clients.drivers import KEY, Driver, NodeDriver, Settings
from tests.clients.fault_server import (
    FaultServer,
    delayed,
    disconnect_before_effect,
    echo_headers,
    echo_in_problem,
    problem_response,
    raw_response,
    succeed,
)
from whale_loyalty import AsyncWhaleClient, WhaleClient
from whale_loyalty.errors import ConfigurationError, ConnectionFailed


@pytest.mark.parametrize(
    "behavior",
    [
        pytest.param(succeed, id="a success"),
        pytest.param(problem_response(401, "unauthenticated"), id="an error"),
        pytest.param(disconnect_before_effect, id="a disconnect"),
        pytest.param(delayed(600), id="a timeout"),
        pytest.param(raw_response(200, b"{"), id="broken JSON"),
        pytest.param(echo_headers, id="a page that repeats the key"),
        pytest.param(echo_in_problem, id="a problem that repeats the key"),
    ],
)
async def test_the_key_is_in_no_repr_log_traceback_or_error(
    client: Driver, server: FaultServer, behavior: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.set_default(behavior)
    settings = Settings(server.url, timeout_seconds=1, max_retries=1)
    outcome = await client.call(settings, "loyalty.earn", "cust_1", points=1, reason="x")
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    printed = outcome.client + caplog.text + repr(outcome.value)
    if outcome.error is not None:
        error = outcome.error
        assert error.printed
        printed += error.printed + error.message + repr(error.members)
    assert KEY not in printed


@pytest.mark.parametrize(
    "behavior", [disconnect_before_effect, delayed(600)], ids=["a disconnect", "a timeout"]
)
async def test_a_key_passed_as_an_id_is_redacted_in_the_error(
    client: Driver, server: FaultServer, behavior: Any
) -> None:
    server.set_default(behavior)
    settings = Settings(server.url, timeout_seconds=1, max_retries=0)
    error = (await client.call(settings, "loyalty.get", KEY)).error
    assert error is not None
    assert f"GET {server.url}/v1/stores/me/loyalty/customers/[key]" in error.message
    assert KEY not in error.message


async def test_an_error_has_no_cause_or_context_of_the_http_library(server: FaultServer) -> None:
    """The library's frames hold the request headers, with the key."""
    server.set_default(disconnect_before_effect)
    with WhaleClient(KEY, base_url=server.url, max_retries=0) as whale:
        with pytest.raises(ConnectionFailed) as caught:
            await asyncio.to_thread(whale.loyalty.get, "cust_1")
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    async with AsyncWhaleClient(KEY, base_url=server.url, max_retries=0) as second:
        with pytest.raises(ConnectionFailed) as caught:
            await second.loyalty.get("cust_1")
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)


INVALID_KEYS = [f"{KEY}\n", f"{KEY} ", f"ü{KEY}"]


@pytest.mark.parametrize("key", INVALID_KEYS)
@pytest.mark.parametrize("kind", [WhaleClient, AsyncWhaleClient])
def test_a_key_that_no_header_can_carry_is_refused_without_being_quoted(
    kind: Any, key: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        kind(key)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", INVALID_KEYS)
async def test_javascript_refuses_such_a_key_without_quoting_it(js_module: Path, key: str) -> None:
    settings = Settings("http://127.0.0.1:1", api_key=key)
    outcome = await NodeDriver(js_module).call(settings, "loyalty.get", "cust_1")
    assert outcome.error is not None
    assert outcome.error.kinds[0] == "ConfigurationError"
    assert KEY not in outcome.error.printed
