"""Every client has every operation of the API, and sends the requests that the API defines."""

import contextlib
import inspect
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.contracts.operations import OPERATIONS
from tests.clients.drivers import KEY, camel
from tests.support import ROOT
from whale_loyalty import AsyncWhaleClient, WhaleClient
from whale_loyalty._method import AsyncResource, Resource
from whale_loyalty.errors import UnexpectedAnswer

PREFIX = "/v1/stores/me/"
# Both names of a method.
NAMES = [
    *((f"loyalty.{name}", f"programs.{name}") for name in ("create", "update", "list", "retrieve")),
    *(
        (f"loyalty.customers.{name}", f"customers.{name}")
        for name in ("list", "retrieve", "update")
    ),
    ("loyalty.get", "customers.retrieve"),
]
# A branch of the tree and its methods, as the clients' READMEs list them.
_ROW = re.compile(r"^\| `([\w.]+)` \| `([\w ·]+)`", re.MULTILINE)
EVENTS: dict[str, Any] = {"events.send": {"event": {}}, "events.send_batch": {"events": []}}


def methods(branch: object, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """The methods of a client, each with its path in the tree."""
    for name in dir(branch):
        member = None if name.startswith("_") else getattr(branch, name)
        if isinstance(member, (Resource, AsyncResource)):
            yield from methods(member, f"{prefix}{name}.")
        elif prefix and callable(member):
            yield prefix + name, member


def python_requests() -> list[dict[str, Any]]:
    """The requests of the blocking client when each method is called once."""
    sent: list[dict[str, Any]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(
            {
                "name": camel(name),
                "method": request.method,
                "path": request.url.path,
                "has_key": "Idempotency-Key" in request.headers,
            }
        )
        return httpx.Response(200, json=None)

    with WhaleClient(KEY, transport=httpx.MockTransport(respond)) as whale:
        for name, method in methods(whale):
            required = {
                parameter.name: "id"
                for parameter in inspect.signature(method).parameters.values()
                if parameter.default is parameter.empty
            }
            with contextlib.suppress(UnexpectedAnswer):
                method(**required | EVENTS.get(name, {}))
    return sent


def javascript_requests(module: Path) -> list[dict[str, Any]]:
    """The requests of the JavaScript client when each method is called once."""
    node = shutil.which("node")
    assert node is not None
    command = [node, str(Path(__file__).with_name("routes.mjs")), module.as_uri()]
    sent: list[dict[str, Any]] = json.loads(subprocess.check_output(command))
    return sent


@pytest.fixture(params=["python", "js"])
def requests(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """The requests of a client when each method is called once."""
    if request.param == "python":
        return python_requests()
    return javascript_requests(request.getfixturevalue("js_module"))


def test_the_client_has_exactly_the_operations_of_the_api(requests: list[dict[str, Any]]) -> None:
    operations = {
        (operation.method, operation.path.replace("{id}", "id")) for operation in OPERATIONS
    }
    sent = {(request["method"], request["path"].removeprefix(PREFIX)) for request in requests}
    assert sent == operations


def test_exactly_the_writes_have_an_idempotency_key(requests: list[dict[str, Any]]) -> None:
    writes = {
        (operation.method, operation.path.replace("{id}", "id")): operation.is_write
        for operation in OPERATIONS
    }
    for request in requests:
        is_write = writes[request["method"], request["path"].removeprefix(PREFIX)]
        assert request["has_key"] == is_write, request


def test_both_names_of_a_method_send_the_same_request(requests: list[dict[str, Any]]) -> None:
    sent = {request.pop("name"): request for request in requests}
    for second, first in NAMES:
        assert sent[second] == sent[first]


async def test_both_python_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def shape(client: object) -> dict[str, str]:
        return {
            name: str(inspect.signature(method).replace(return_annotation=""))
            for name, method in methods(client)
        }

    async with AsyncWhaleClient(KEY) as second:
        with WhaleClient(KEY) as first:
            assert shape(first) == shape(second) != {}


def test_the_javascript_client_has_the_same_methods(js_module: Path) -> None:
    with WhaleClient(KEY) as whale:
        python = {camel(name) for name, _ in methods(whale)}
    assert {request["name"] for request in javascript_requests(js_module)} == python


@pytest.mark.parametrize(
    ("package", "spell"),
    [pytest.param("python", str, id="python"), pytest.param("js", camel, id="js")],
)
def test_the_readme_lists_every_method(package: str, spell: Callable[[str], str]) -> None:
    rows = _ROW.findall((ROOT / f"libs/whale-{package}/README.md").read_text(encoding="utf-8"))
    second = {name for name, _ in NAMES}
    with WhaleClient(KEY) as whale:
        names = {name for name, _ in methods(whale) if not name.startswith("loyalty.customers.")}
    assert {f"{branch}.{name}" for branch, listed in rows for name in listed.split(" · ")} == {
        spell(name) for name in names - second
    }
