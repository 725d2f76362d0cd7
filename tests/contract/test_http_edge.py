"""The gateway's limits and headers, for callers with and without a key, on the running stack."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from libs.contracts.operations import OWNERS
from libs.testing.eventually import eventually
from tests.support import Shop
from tests.unit.gateway.api_keys import random_key
from tools.stack import config

MIB = 1024 * 1024
AWARD = b'{"customer_id":"cust_1","points":5,"reason":"r"}'


class RawConnection:
    """A connection to the gateway to which a test writes bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, shop: Shop) -> "RawConnection":
        return cls(*await asyncio.open_connection("127.0.0.1", shop.stack.settings.gateway_port))

    async def send(self, *parts: bytes) -> tuple[int, Any]:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
        return await self.response()

    async def response(self) -> tuple[int, Any]:
        async with asyncio.timeout(90):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next(line for line in lines if line.startswith(b"content-length:"))
            body = await self.reader.readexactly(int(length.partition(b":")[2]))
        return int(head.split()[1]), json.loads(body)

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


async def send(shop: Shop, *parts: bytes) -> tuple[int, Any]:
    """The status and JSON of the response to a request on a connection of its own."""
    connection = await RawConnection.open(shop)
    try:
        return await connection.send(*parts)
    finally:
        await connection.close()


def request(shop: Shop, *headers: str, method: str = "POST", path: str = "loyalty/earn") -> bytes:
    start = f"{method} /v1/stores/me/{path} HTTP/1.1\r\nHost: test\r\n"
    return (start + "".join(f"{header}\r\n" for header in headers)).encode()


def authorized(shop: Shop) -> str:
    return f"Authorization: Bearer {shop.key}"


async def test_headers_over_the_limits_are_431(shop: Shop) -> None:
    for parts in (
        [request(shop), b"X-Big: " + b"x" * 40_000 + b"\r\n\r\n"],
        [request(shop), b"a: b\r\n" * 101 + b"\r\n"],
        [b"GET /docs?" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n"],
    ):
        status, problem = await send(shop, *parts)
        assert (status, problem["code"]) == (431, "headers_too_large")
        assert problem["type"] == "/problems/headers_too_large"


async def test_headers_and_bodies_that_do_not_arrive_are_408(shop: Shop) -> None:
    body = request(shop, authorized(shop), "Content-Type: application/json", "Content-Length: 99")
    started = time.monotonic()
    responses = await asyncio.gather(send(shop, request(shop)), send(shop, body + b"\r\n" + AWARD))
    assert [(status, problem["code"]) for status, problem in responses] == [
        (408, "request_timeout")
    ] * 2
    # Ten seconds, found by a sweep; a connection without these limits would be idle for 75.
    assert 9 < time.monotonic() - started < 60


async def test_a_trailer_is_not_read_as_a_header(shop: Shop) -> None:
    await shop.program()
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(AWARD), AWARD)
    json_ = "Content-Type: application/json"
    trailer = authorized(shop).encode() + b"\r\n\r\n"
    assert (await send(shop, request(shop, json_) + chunked + trailer))[0] == 401
    keyed = request(shop, authorized(shop), json_) + chunked + b"Idempotency-Key: t\r\n\r\n"
    first, second = [await send(shop, keyed) for _ in range(2)]
    assert first[0] == second[0] == 201
    assert second[1]["id"] != first[1]["id"]


async def test_two_different_idempotency_keys_are_400_and_two_equal_keys_are_one(
    shop: Shop,
) -> None:
    await shop.program()
    tail = b"Content-Length: %d\r\n\r\n%s" % (len(AWARD), AWARD)
    usual = (authorized(shop), "Content-Type: application/json")
    for pair in (("a", "b"), ("b", "a")):
        lines = [f"Idempotency-Key: {key}" for key in pair]
        status, problem = await send(shop, request(shop, *usual, *lines) + tail)
        assert (status, problem["code"]) == (400, "invalid_request")
        assert [fault["header"] for fault in problem["errors"]] == ["Idempotency-Key"]
    assert await shop.status() is None
    same = request(shop, *usual, "Idempotency-Key: a", "idempotency-key: a") + tail
    responses = [await send(shop, same) for _ in range(2)]
    assert responses[0][0] == 201
    assert responses[0] == responses[1]


async def test_two_different_api_keys_are_401(shop: Shop) -> None:
    other = f"Authorization: Bearer {random_key()}"
    for pair in ((other, authorized(shop)), (authorized(shop), other)):
        read = request(shop, *pair, method="GET", path="loyalty-programs") + b"\r\n"
        status, problem = await send(shop, read)
        assert status == 401
        assert problem["detail"].startswith("There are 2 different Authorization headers.")


async def test_an_invalid_host_is_400(shop: Shop) -> None:
    for path in (b"/docs", b"/v1/stores/me/loyalty-programs"):
        status, problem = await send(shop, b"GET " + path + b" HTTP/1.1\r\nHost: a/b\r\n\r\n")
        assert (status, problem["code"]) == (400, "invalid_request")


# -- the cost of unauthenticated and hostile callers


def _memory_of(shop: Shop) -> int:
    """The gateway's resident memory in bytes."""
    pid = shop.stack.process("gateway").pid
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


async def test_endless_headers_and_half_sent_bodies_cost_no_memory(shop: Shop) -> None:
    before = _memory_of(shop)

    async def flood() -> None:
        connection = await RawConnection.open(shop)
        try:
            connection.writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n")
            for _ in range(50):
                connection.writer.write(b"X-Big: " + b"x" * MIB + b"\r\n")
                await connection.writer.drain()
        except ConnectionError:
            pass
        finally:
            await connection.close()

    await asyncio.gather(*(flood() for _ in range(4)))
    half = request(
        shop,
        authorized(shop),
        "Content-Type: application/json",
        f"Content-Length: {MIB}",
        path="loyalty/earn/batch",
    )
    connections = [await RawConnection.open(shop) for _ in range(150)]
    statuses: Counter[int] = Counter()

    async def send_half(connection: RawConnection) -> None:
        try:
            connection.writer.write(half + b"\r\n" + b" " * (MIB - 1))
            status, _ = await connection.response()
            statuses[status] += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            statuses[0] += 1

    sending = [asyncio.create_task(send_half(connection)) for connection in connections]
    await eventually(lambda: statuses[503] + statuses[0] > 50)
    assert _memory_of(shop) - before < 100 * MIB
    # Each key has its own share of the memory.
    other = await shop.stack.key(f"{shop.store_id}-other")
    assert (await shop.call("GET", "loyalty-programs", key=other)).status == 200
    for task in sending:
        task.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    for connection in connections:
        await connection.close()


async def test_unauthenticated_requests_are_limited_and_do_not_delay_callers_with_a_key(
    shop: Shop,
) -> None:
    until = time.monotonic() + 6
    statuses: Counter[int] = Counter()

    async def send_unknown_keys() -> None:
        connection = await RawConnection.open(shop)
        while time.monotonic() < until:
            bearer = f"Authorization: Bearer {random_key()}"
            read = request(shop, bearer, method="GET", path="loyalty-programs") + b"\r\n"
            status, _ = await connection.send(read)
            statuses[status] += 1
        await connection.close()

    senders = [asyncio.create_task(send_unknown_keys()) for _ in range(200)]
    await asyncio.sleep(1)
    durations = []
    while time.monotonic() < until:
        started = time.monotonic()
        assert (await shop.call("GET", "loyalty-programs")).status == 200
        durations.append(time.monotonic() - started)
        await asyncio.sleep(0.02)
    await asyncio.gather(*senders)
    durations.sort()
    print(
        f"p50 {durations[len(durations) // 2]:.3f} s, p99 {durations[len(durations) * 99 // 100]:.3f} s"
    )
    assert set(statuses) <= {401, 503}
    # More than the burst, so that the pace let some of them pass.
    assert statuses[401] > 150
    # 500 a second, a burst of 100, and the requests in progress at the end.
    assert statuses[401] < 8 * 500
    # With a look-up of its key behind all the others, a request would wait for seconds.
    assert durations[len(durations) // 2] < 2


# -- pages


@pytest.mark.parametrize("path", ["/", "/docs", "/problems/conflict", "/openapi.json", "/nope"])
async def test_every_page_has_security_headers(shop: Shop, path: str) -> None:
    page = await shop.page(path)
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "path",
    ["/docs", "/problems/conflict", "/openapi.json", "/health/live", "/health/ready", "/nope"],
)
async def test_head_has_the_headers_of_get_without_the_body(shop: Shop, path: str) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(shop.stack.gateway + path) as get:
            await get.read()
        async with session.head(shop.stack.gateway + path) as head:
            assert await head.read() == b""
    assert head.status == get.status
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == get.headers[name]


# -- the services' own ports


@pytest.mark.parametrize("service", OWNERS)
async def test_a_services_port_reveals_nothing_without_the_token(shop: Shop, service: str) -> None:
    address = f"http://{shop.stack.process(service).address}"
    token = config.stack_secrets(shop.stack.home).internal_token
    authorization = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session:

        async def status(method: str, path: str, **headers: str) -> int:
            async with session.request(method, address + path, headers=headers) as response:
                return response.status

        for method, path in (
            ("GET", "/nope"),
            ("DELETE", f"/v1/stores/{shop.store_id}/loyalty-programs"),
            ("GET", f"/v1/stores/{shop.store_id}/loyalty/rewards"),
            ("GET", "/internal/nope"),
            ("OPTIONS", f"/v1/stores/{shop.store_id}/loyalty/redeem"),
        ):
            assert await status(method, path) == 401
            assert await status(method, path, Authorization=f"Bearer {token}x") == 401
        assert await status("GET", "/nope", **authorization) == 404
        for path in ("/health/live", "/health/ready"):
            assert await status("GET", path) == await status("HEAD", path) == 200


async def test_a_method_that_a_services_path_does_not_support_is_405_with_the_token(
    shop: Shop,
) -> None:
    token = config.stack_secrets(shop.stack.home).internal_token
    path = f"/v1/stores/{shop.store_id}/loyalty-programs"
    url = f"http://{shop.stack.process('earning').address}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.delete(url, headers={"Authorization": f"Bearer {token}"}) as response,
    ):
        assert response.status == 405


async def test_bodies_over_the_limit_are_413_with_a_length_and_chunked(shop: Shop) -> None:
    usual = (authorized(shop), "Content-Type: application/json")
    over = request(shop, *usual, f"Content-Length: {3 * MIB}", path="loyalty/earn/batch")
    status, problem = await send(shop, over + b"\r\n" + b" " * (3 * MIB))
    assert (status, problem["code"]) == (413, "too_large")
    chunk = b"%x\r\n%s\r\n" % (70_000, b" " * 70_000)
    status, problem = await send(
        shop,
        request(shop, *usual) + b"Transfer-Encoding: chunked\r\n\r\n",
        chunk,
    )
    assert (status, problem["code"]) == (413, "too_large")
