"""Values of the caller's that no request can carry: refused before anything is sent, saying why."""

import asyncio
import sys
from typing import Any

import pytest

from tests.clients.drivers import KEY, AsyncPythonDriver, Driver, NodeDriver, PythonDriver, Settings
from tests.clients.misbehaving import Misbehaving
from whale_loyalty import AsyncWhaleClient, WhaleClient
from whale_loyalty.errors import ClientClosed, InvalidArgument, WhaleError

HALF = "\ud83d"  # the first half of a surrogate pair


async def assert_refused(
    client: Driver, server: Misbehaving, named: str, name: str, /, *args: Any, **fields: Any
) -> None:
    """The call ends at once with an InvalidArgument that names the cause, and nothing was sent."""
    outcome = await client.call(Settings(server.url), name, *args, **fields)
    assert outcome.error is not None, outcome.value
    assert outcome.error.kinds[:2] == ["InvalidArgument", "WhaleError"]
    assert outcome.error.code == "invalid_argument"
    assert named in outcome.error.message
    assert server.seen == []


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param("  a b ", id="blanks at both ends"),
        pytest.param(" a", id="a blank before"),
        pytest.param("a ", id="a blank after"),
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
    client: Driver, server: Misbehaving, key: Any
) -> None:
    fields = {"points": 500, "reason": "Birthday bonus", "idempotency_key": key}
    await assert_refused(client, server, "1-255", "loyalty.earn", "cust_1", **fields)


@pytest.mark.parametrize(
    ("customer", "named"),
    [
        pytest.param("", '""', id="empty"),
        pytest.param(".", "not the id", id="a dot"),
        pytest.param("..", "not the id", id="two dots"),
        pytest.param(HALF, "not valid text", id="half a surrogate pair"),
        pytest.param(5, "5", id="a number"),
        pytest.param(None, "An id is a str", id="nothing"),
        pytest.param(["a"], "An id is a str", id="a list"),
    ],
)
async def test_an_id_that_no_path_can_hold(
    client: Driver, server: Misbehaving, customer: Any, named: str
) -> None:
    named = named if isinstance(client, NodeDriver) else named.replace('"', "'")
    await assert_refused(client, server, named, "loyalty.get", customer)


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
async def test_half_a_surrogate_pair_wherever_it_stands(
    client: Driver, server: Misbehaving, name: str, args: list[Any], fields: dict[str, Any]
) -> None:
    await assert_refused(client, server, "", name, *args, **fields)


@pytest.mark.parametrize("driver", [PythonDriver(), AsyncPythonDriver()])
@pytest.mark.parametrize(
    "reason", [object(), {object(): 1}, b"\xff".decode(errors="surrogateescape")]
)
async def test_what_json_cannot_hold(driver: Driver, server: Misbehaving, reason: Any) -> None:
    fields = {"points": 1, "reason": reason}
    await assert_refused(driver, server, "cannot be written as JSON", "loyalty.earn", "c", **fields)


async def test_nesting_that_json_cannot_hold() -> None:
    deep: Any = "x"
    for _ in range(sys.getrecursionlimit() * 10):
        deep = [deep]
    with WhaleClient(KEY) as whale, pytest.raises(InvalidArgument, match="written as JSON"):
        whale.events.send({"type": "order.completed", "data": deep})


def test_it_is_a_value_error_too() -> None:
    with WhaleClient(KEY) as whale, pytest.raises(ValueError, match="not the id") as caught:
        whale.loyalty.get("..")
    assert isinstance(caught.value, WhaleError)
    assert isinstance(caught.value, InvalidArgument)


async def test_a_key_with_blanks_inside_and_one_in_quotes_are_sent_as_they_are(
    client: Driver, server: Misbehaving
) -> None:
    for key in ("birthday 2026 cust_1", '"quoted"', "x" * 255):
        fields = {"points": 500, "reason": "Birthday bonus", "idempotency_key": key}
        outcome = await client.call(Settings(server.url), "loyalty.earn", "cust_1", **fields)
        assert outcome.error is None
        assert server.seen[-1].key == key


async def test_a_closed_client_says_that_it_is_closed(server: Misbehaving) -> None:
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
    assert len(server.seen) == 2


async def test_a_client_that_is_closed_before_its_first_call_is_closed_too(
    server: Misbehaving,
) -> None:
    async with AsyncWhaleClient(KEY, base_url=server.url) as whale:
        pass
    with pytest.raises(ClientClosed):
        await whale.loyalty.list()
    assert server.seen == []
