"""The API key goes into one header of each request, and is seen nowhere else."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.clients.drivers import KEY, Driver, NodeDriver, Settings
from tests.clients.misbehaving import (
    Misbehaving,
    behave,
    cut_before,
    echo,
    echo_in_problem,
    raw,
    refuse,
    slow,
)
from whale_loyalty import AsyncWhaleClient, WhaleClient
from whale_loyalty.errors import ConfigurationError, ConnectionFailed


@pytest.mark.parametrize(
    "manner",
    [
        pytest.param(behave, id="an answer"),
        pytest.param(refuse(401, "unauthenticated"), id="refused"),
        pytest.param(cut_before, id="cut"),
        pytest.param(slow(5), id="too slow"),
        pytest.param(raw(200, b"{"), id="broken JSON"),
        pytest.param(echo, id="a page that repeats it"),
        pytest.param(echo_in_problem, id="a problem that repeats it"),
    ],
)
async def test_the_key_is_in_no_repr_no_log_no_stack_and_no_error(
    client: Driver, server: Misbehaving, manner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.always(manner)
    settings = Settings(server.url, timeout_seconds=0.5, max_retries=1)
    outcome = await client.call(settings, "loyalty.earn", "cust_1", points=1, reason="x")
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    shown = outcome.client + caplog.text + repr(outcome.value)
    if outcome.error is not None:
        error = outcome.error
        assert error.shown
        shown += error.shown + error.message + repr(error.members)
    assert KEY not in shown


@pytest.mark.parametrize("manner", [cut_before, slow(5)], ids=["cut", "too slow"])
async def test_a_key_in_the_place_of_an_id_is_not_in_the_address_that_is_told(
    client: Driver, server: Misbehaving, manner: Any
) -> None:
    server.always(manner)
    settings = Settings(server.url, timeout_seconds=0.3, max_retries=0)
    error = (await client.call(settings, "loyalty.get", KEY)).error
    assert error is not None
    assert f"GET {server.url}/v1/stores/me/loyalty/customers/[key]" in error.message
    assert KEY not in error.message


async def test_an_error_has_none_of_the_http_librarys_behind_it(server: Misbehaving) -> None:
    """Their frames hold the headers as they are sent."""
    server.always(cut_before)
    with WhaleClient(KEY, base_url=server.url, max_retries=0) as whale:
        with pytest.raises(ConnectionFailed) as caught:
            await asyncio.to_thread(whale.loyalty.get, "cust_1")
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    async with AsyncWhaleClient(KEY, base_url=server.url, max_retries=0) as second:
        with pytest.raises(ConnectionFailed) as caught:
            await second.loyalty.get("cust_1")
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)


FAULTY_KEYS = [f"{KEY}\n", f"{KEY} ", f"ü{KEY}"]


@pytest.mark.parametrize("key", FAULTY_KEYS)
@pytest.mark.parametrize("kind", [WhaleClient, AsyncWhaleClient])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(kind: Any, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        kind(key)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", FAULTY_KEYS)
async def test_so_it_is_in_javascript(js_module: Path, key: str) -> None:
    settings = Settings("http://127.0.0.1:1", api_key=key)
    outcome = await NodeDriver(js_module).call(settings, "loyalty.get", "cust_1")
    assert outcome.error is not None
    assert outcome.error.kinds[0] == "ConfigurationError"
    assert KEY not in outcome.error.shown
