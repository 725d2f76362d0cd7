"""Every operation of the API is in every client, and each client sends what the API takes."""

import contextlib
import inspect
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.contracts.operations import OPERATIONS
from tests.clients.drivers import KEY, camel
from whale_loyalty import AsyncWhaleClient, WhaleClient
from whale_loyalty._method import AsyncResource, Resource
from whale_loyalty.errors import UnexpectedAnswer

PREFIX = "/v1/stores/me/"
EVENTS: dict[str, Any] = {"events.send": {"event": {}}, "events.send_batch": {"events": []}}


def calls(branch: object, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """The calls under a client, each with its path in the tree."""
    for name in dir(branch):
        member = None if name.startswith("_") else getattr(branch, name)
        if isinstance(member, (Resource, AsyncResource)):
            yield from calls(member, f"{prefix}{name}.")
        elif prefix and callable(member):
            yield prefix + name, member


def requests_of_python() -> list[dict[str, Any]]:
    """What the blocking client sends, each of its calls made once."""
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        has_key = "Idempotency-Key" in request.headers
        sent.append({"method": request.method, "path": request.url.path, "has_key": has_key})
        return httpx.Response(200, json=None)

    with WhaleClient(KEY, transport=httpx.MockTransport(answer)) as whale:
        for name, call in calls(whale):
            required = {
                one.name: "id"
                for one in inspect.signature(call).parameters.values()
                if one.default is one.empty
            }
            with contextlib.suppress(UnexpectedAnswer):
                call(**required | EVENTS.get(name, {}))
    return sent


def requests_of_javascript(module: Path) -> list[dict[str, Any]]:
    """What the JavaScript client sends, each of its calls made once."""
    node = shutil.which("node")
    assert node is not None
    words = [node, Path(__file__).with_name("routes.mjs"), module.as_uri()]
    sent: list[dict[str, Any]] = json.loads(subprocess.check_output(words))
    return sent


@pytest.fixture(params=["python", "js"])
def requests(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """What a client sends, each of its calls made once."""
    if request.param == "python":
        return requests_of_python()
    return requests_of_javascript(request.getfixturevalue("js_module"))


def test_every_operation_is_there_and_nothing_else(requests: list[dict[str, Any]]) -> None:
    known = {(one.method, one.path.replace("{id}", "id")) for one in OPERATIONS}
    assert {(one["method"], one["path"].removeprefix(PREFIX)) for one in requests} == known


def test_exactly_the_writes_bear_an_idempotency_key(requests: list[dict[str, Any]]) -> None:
    writes = {(one.method, one.path.replace("{id}", "id")): one.is_write for one in OPERATIONS}
    for one in requests:
        assert one["has_key"] == writes[one["method"], one["path"].removeprefix(PREFIX)], one


async def test_both_python_clients_have_the_same_calls_with_the_same_parameters() -> None:
    def shape(client: object) -> dict[str, str]:
        return {
            name: str(inspect.signature(call).replace(return_annotation=""))
            for name, call in calls(client)
        }

    async with AsyncWhaleClient(KEY) as second:
        with WhaleClient(KEY) as first:
            assert shape(first) == shape(second) != {}


def test_the_javascript_client_has_the_same_calls(js_module: Path) -> None:
    with WhaleClient(KEY) as whale:
        python = {camel(name) for name, _ in calls(whale)}
    assert {one["name"] for one in requests_of_javascript(js_module)} == python
