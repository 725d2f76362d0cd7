"""Every response from 400 on is found in the logs by its request id, with its request and outcome."""

import asyncio
import json
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from libs.testing.eventually import eventually
from tests.support import ApiResponse, Shop

AWARD = {"customer_id": "cust_1", "points": 500, "reason": "Birthday bonus"}
V1 = "/v1/stores/{store_id}"

Send = Callable[[Shop], Coroutine[Any, Any, ApiResponse]]


async def lines_about(shop: Shop, request_id: str) -> list[Any]:
    """The lines of the request that report its response."""

    async def look() -> list[Any]:
        text = await asyncio.to_thread((shop.stack.home / "logs" / "gateway.log").read_text)
        lines = [json.loads(line) for line in text.splitlines() if request_id in line]
        assert lines
        return [line for line in lines if line["event"] == "response"]

    return await eventually(look)


async def bad_scope(shop: Shop) -> ApiResponse:
    key = await shop.stack.key(shop.store_id, scopes="read", name="reporting")
    return await shop.call("POST", "loyalty/earn", AWARD, key=key)


@pytest.mark.parametrize(
    ("send", "key_name", "method", "route", "path", "status", "code"),
    [
        pytest.param(
            lambda shop: shop.call("GET", "loyalty/rewards", key="wk_test_unknown_unknown_unknown"),
            *(None, "GET", None, "/v1/stores/me/loyalty/rewards", 401, "unauthenticated"),
            id="an unknown key",
        ),
        pytest.param(
            bad_scope,
            *("reporting", "POST", f"{V1}/loyalty/earn", None, 403, "insufficient_scope"),
            id="a missing scope",
        ),
        pytest.param(
            lambda shop: shop.call("GET", "loyalty/nothing"),
            *("test", "GET", None, "/v1/stores/me/loyalty/nothing", 404, "not_found"),
            id="no such path",
        ),
        pytest.param(
            lambda shop: shop.call("GET", "loyalty/customers/cust_nobody"),
            *("test", "GET", f"{V1}/loyalty/customers/{{id}}", None, 404, "not_found"),
            id="no such customer",
        ),
        pytest.param(
            lambda shop: shop.call("PUT", "loyalty/earn", AWARD),
            *("test", "PUT", f"{V1}/loyalty/earn", None, 405, "method_not_allowed"),
            id="another method",
        ),
        pytest.param(
            lambda shop: shop.call("POST", "loyalty/earn", b" " * 70_000),
            *("test", "POST", f"{V1}/loyalty/earn", None, 413, "too_large"),
            id="a large body",
        ),
        pytest.param(
            lambda shop: shop.call("POST", "loyalty/earn", {"customer_id": "cust_1"}),
            *("test", "POST", f"{V1}/loyalty/earn", None, 400, "invalid_request"),
            id="missing fields",
        ),
        pytest.param(
            lambda shop: shop.call("POST", "loyalty/earn", AWARD),
            *("test", "POST", f"{V1}/loyalty/earn", None, 409, "program_inactive"),
            id="a refusal",
        ),
        pytest.param(
            lambda shop: shop.page("/nothing"),
            *(None, "GET", None, "/nothing", 404, "not_found"),
            id="a page that does not exist",
        ),
    ],
)
async def test_a_failed_request_is_found_by_its_id(
    shop: Shop,
    send: Send,
    key_name: str | None,
    method: str,
    route: str | None,
    path: str | None,
    status: int,
    code: str,
) -> None:
    response = await send(shop)
    assert (response.status, response.json["code"]) == (status, code)
    request_id = response.json["instance"]
    assert response.headers["X-Request-Id"] == request_id
    (line,) = await lines_about(shop, request_id)
    fields = ("method", "route", "path", "status", "code")
    assert [line[field] for field in fields] == [method, route, path, status, code]
    store_id = None if key_name is None else shop.store_id
    assert (line["store_id"], line["key_name"]) == (store_id, key_name)
    assert line["ms"] >= 0


async def test_a_line_names_the_trace_and_the_store_of_its_request(shop: Shop) -> None:
    trace = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    response = await shop.call("GET", "loyalty/nothing", headers=headers)
    (line,) = await lines_about(shop, response.headers["X-Request-Id"])
    assert (line["trace_id"], line["store_id"]) == (trace, shop.store_id)


async def test_a_request_that_cannot_be_read_is_found_by_its_id(shop: Shop) -> None:
    host, _, port = shop.stack.gateway.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"not HTTP\r\n\r\n")
    body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    (line,) = await lines_about(shop, json.loads(body)["instance"])
    assert (line["method"], line["status"], line["code"]) == (None, 400, "invalid_request")


async def test_the_logs_command_prints_the_lines_of_one_request(shop: Shop) -> None:
    request_id = f"order-import/{shop.store_id}"
    headers = {"X-Request-Id": request_id}
    await shop.call("POST", "loyalty/earn", AWARD, headers=headers)
    await shop.call("GET", "loyalty/rewards", headers={"X-Request-Id": f"{request_id}-2"})
    await lines_about(shop, request_id)
    printed = await asyncio.to_thread(shop.stack.run, "logs", "--request", request_id)
    (line,) = map(json.loads, printed.stdout.splitlines())
    assert line["code"] == "program_inactive"
    unknown = await asyncio.to_thread(
        shop.stack.run, "logs", "--request", "req_unknown", check=False
    )
    assert unknown.returncode == 1
    assert "req_unknown" in unknown.stderr
