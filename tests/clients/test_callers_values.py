"""Arguments that no request can carry: refused with the reason before anything is sent."""

import asyncio
import sys
from typing import Any

import pytest

from tests.clients.drivers import KEY, AsyncPythonDriver, Driver, NodeDriver, PythonDriver, Settings
from tests.clients.fault_server import FaultServer
from whale_loyalty import AsyncWhaleClient, WhaleClient
from whale_loyalty.errors import ClientClosed, InvalidArgument, WhaleError

HALF = "\ud83d"  # the first half of a surrogate pair


async def assert_refused(
    client: Driver, server: FaultServer, expected: str, name: str, /, *args: Any, **fields: Any
) -> None:
    """The call fails with an InvalidArgument that contains `expected`, and nothing was sent."""
    outcome = await client.call(Settings(server.url), name, *args, **fields)
    assert outcome.error is not None, outcome.value
    assert outcome.error.kinds[:2] == ["InvalidArgument", "WhaleError"]
    assert outcome.error.code == "invalid_argument"
    assert expected in outcome.error.message
    assert server.requests == []


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param("  a b ", id="blanks at both ends"),
        pytest.param(" a", id="a leading blank"),
        pytest.param("a ", id="a trailing blank"),
        pytest.param(" ", id="a blank"),
        pytest.param("\ta", id="a tab"),
        pytest.param("ü", id="not ASCII"),
        pytest.param(HALF, id="half a surrogate pair"),
        pytest.param("a\r\nX-Other: b", id="another header"),
        pytest.param("x" * 256, id="too long"),
        pytest.param(5, id="a number"),
        pytest.param(["a"], id="a list"),
    ],
)
async def test_an_idempotency_key_that_no_header_can_carry(
    client: Driver, server: FaultServer, key: Any
) -> None:
    fields = {"points": 500, "reason": "Birthday bonus", "idempotency_key": key}
    await assert_refused(client, server, "1-255", "loyalty.earn", "cust_1", **fields)


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        pytest.param("", '""', id="empty"),
        pytest.param(".", "not a valid id", id="a dot"),
        pytest.param("..", "not a valid id", id="two dots"),
        pytest.param(HALF, "not valid text", id="half a surrogate pair"),
        pytest.param(5, "5", id="a number"),
        pytest.param(None, "An id must be a str", id="None"),
        pytest.param(["a"], "An id must be a str", id="a list"),
    ],
)
async def test_an_id_that_no_path_can_carry(
    client: Driver, server: FaultServer, customer: Any, expected: str
) -> None:
    expected = expected if isinstance(client, NodeDriver) else expected.replace('"', "'")
    await assert_refused(client, server, expected, "loyalty.get", customer)


@pytest.mark.parametrize(
    ("name", "args", "fields"),
    [
        pytest.param("loyalty.earn", ["c"], {"points": 1, "reason": HALF}, id="a reason"),
        pytest.param("loyalty.earn", [HALF], {"points": 1, "reason": "x"}, id="a customer"),
        pytest.param("loyalty.create", [], {"name": HALF, "points_per_dollar": 1}, id="a name"),
        pytest.param("events.send", [{"type": "t", "data": {"a": [HALF]}}], {}, id="an event"),
        pytest.param("loyalty.customers.list", [], {"query": HALF}, id="a parameter"),
        pytest.param(
            "loyalty.anomaly_settings.update", [], {"deviation": {"mode": HALF}}, id="a setting"
        ),
    ],
)
async def test_half_a_surrogate_pair_in_any_argument(
    client: Driver, server: FaultServer, name: str, args: list[Any], fields: dict[str, Any]
) -> None:
    await assert_refused(client, server, "", name, *args, **fields)


@pytest.mark.parametrize("driver", [PythonDriver(), AsyncPythonDriver()])
@pytest.mark.parametrize(
    "reason", [object(), {object(): 1}, b"\xff".decode(errors="surrogateescape")]
)
async def test_a_value_without_a_json_form(
    driver: Driver, server: FaultServer, reason: Any
) -> None:
    fields = {"points": 1, "reason": reason}
    await assert_refused(driver, server, "cannot be written as JSON", "loyalty.earn", "c", **fields)


async def test_nesting_too_deep_for_json() -> None:
    deep: Any = "x"
    for _ in range(sys.getrecursionlimit() * 10):
        deep = [deep]
    with WhaleClient(KEY) as whale, pytest.raises(InvalidArgument, match="written as JSON"):
        whale.events.send({"type": "order.completed", "data": deep})


def test_an_invalid_argument_is_also_a_value_error() -> None:
    with WhaleClient(KEY) as whale, pytest.raises(ValueError, match="not a valid id") as caught:
        whale.loyalty.get("..")
    assert isinstance(caught.value, WhaleError)
    assert isinstance(caught.value, InvalidArgument)


async def test_keys_with_inner_blanks_or_quotes_are_sent_unchanged(
    client: Driver, server: FaultServer
) -> None:
    for key in ("birthday 2026 cust_1", '"quoted"', "x" * 255):
        fields: dict[str, Any] = {"points": 500, "reason": "Birthday bonus", "idempotency_key": key}
        outcome = await client.call(Settings(server.url), "loyalty.earn", "cust_1", **fields)
        assert outcome.error is None
        assert server.requests[-1].key == key


async def test_a_closed_client_refuses_calls(server: FaultServer) -> None:
    whale = WhaleClient(KEY, base_url=server.url)
    await asyncio.to_thread(whale.loyalty.earn, "c", points=1, reason="x")
    second = AsyncWhaleClient(KEY, base_url=server.url)
    await second.loyalty.earn("c", points=1, reason="x")
    for _ in range(2):
        whale.close()
        await second.close()
    with pytest.raises(ClientClosed, match="create another one"):
        whale.loyalty.get("c")
    with pytest.raises(ClientClosed, match="create another one"):
        await second.loyalty.get("c")
    assert len(server.requests) == 2


async def test_a_client_that_is_closed_before_its_first_call_refuses_calls(
    server: FaultServer,
) -> None:
    async with AsyncWhaleClient(KEY, base_url=server.url) as whale:
        pass
    with pytest.raises(ClientClosed):
        await whale.loyalty.list()
    assert server.requests == []
