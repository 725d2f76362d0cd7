"""/dashboard while no process of the dashboard responds: a page for people, a problem for programs."""

import re
import socket
from collections.abc import AsyncIterator
from html import unescape

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from libs.http_client.service_client import ServiceClient
from libs.persistence.errors import is_transient
from libs.web.app import error_renderer, lifespan_of
from services.gateway.api import dashboard
from services.gateway.api.bodies import BodyMemory
from services.gateway.api.edge import Edge
from services.gateway.api.pages import content_policy
from services.gateway.handlers.pacer import Pacer

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ADDRESS = "/dashboard/customers?query=a&tier=Gold"


@pytest.fixture
async def client() -> AsyncIterator[AsyncTestClient[Edge]]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    service = ServiceClient(
        "dashboard", [f"http://127.0.0.1:{port}"], internal_token="t" * 32, timeout_seconds=2
    )
    app = Litestar(
        route_handlers=[dashboard.mount(service, BodyMemory())],
        exception_handlers={Exception: error_renderer(is_transient)},
        lifespan=[lifespan_of([service])],
        openapi_config=None,
    )
    async with AsyncTestClient(Edge(app, Pacer())) as opened:
        yield opened


async def test_a_browser_gets_a_page_that_leads_back_to_its_address(
    client: AsyncTestClient[Edge],
) -> None:
    response = await client.get(ADDRESS, headers=BROWSER)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-security-policy"] == content_policy(response.text)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "The dashboard is not available right now" in response.text
    (address,) = re.findall(r'href="([^"]*)"', response.text)
    assert address.startswith("/dashboard/customers")
    assert address.endswith("?query=a&amp;tier=Gold")
    # It stands in the log too.
    assert response.headers["x-request-id"] in response.text


async def test_after_a_form_the_page_says_that_the_outcome_is_not_known(
    client: AsyncTestClient[Edge],
) -> None:
    response = await client.post("/dashboard/customer/points?do=award", headers=BROWSER)
    assert response.status_code == 503
    assert "we don't know yet whether it went through" in unescape(response.text)
    assert re.findall(r'href="([^"]*)"', response.text) == ["/dashboard"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a program"),
        pytest.param({"Accept": "*/*"}, id="a program that takes all"),
        pytest.param({**BROWSER, "HX-Request": "true"}, id="a part of a page"),
    ],
)
async def test_all_else_gets_a_problem_document(
    client: AsyncTestClient[Edge], headers: dict[str, str]
) -> None:
    response = await client.get("/dashboard", headers=headers)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["content-type"] == "application/problem+json"
