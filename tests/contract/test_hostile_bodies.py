"""No body causes an internal error: every write responds with a status below 500."""

import asyncio
import itertools
import random
import secrets
from collections.abc import Iterator
from typing import Any, Final

import pytest

from libs.contracts.operations import CLOUD_EVENT, CLOUD_EVENTS, JSON, OPERATIONS, Operation
from tests.contract.test_request_checks import assert_problem, pointers
from tests.support import ApiResponse, Shop

WRITES: Final = [operation for operation in OPERATIONS if operation.method != "GET"]

# A valid body of each operation, with $ in place of a value.
TEMPLATES: Final = {
    "createProgram": '{"name": "x", "points_per_dollar": $, "tiers": $}',
    "updateProgram": '{"points_per_dollar": $}',
    "earn": '{"customer_id": "c", "points": $, "reason": $}',
    "earnBatch": '{"items": [{"customer_id": "c", "points": $, "reason": $}]}',
    "adjust": '{"customer_id": $, "points": $, "reason": "r"}',
    "sendEvents": '{"specversion": "1.0", "id": "e1", "source": "/s", "type": "order.completed", '
    '"data": {"order_id": "o1", "customer_id": "c", "total": $, "currency": "USD", '
    '"completed_at": "2026-03-10T12:00:00Z", "items": $}}',
    "updateCustomer": '{"status": "active", "note": $}',
    "createReward": '{"name": "x", "points_cost": $, "type": "credit", "value": {"amount": $, '
    '"currency": "USD"}, "metadata": $}',
    "updateReward": '{"value": {"percent": $}, "stock": $}',
    "redeem": '{"customer_id": "c", "reward_id": $, "points_cost": $}',
    "updateAnomaly": '{"status": "in_review", "note": $}',
    "updateAnomalySettings": '{"deviation": {"score": $}, "unusual_amount": {"factor": $}}',
    "backtestAnomalySettings": '{"from": $, "to": "2026-01-01", "settings": {}}',
}
VALUES: Final = {
    "nested 64": "[" * 61 + "1" + "]" * 61,
    "nested 490": "[" * 490 + "]" * 490,
    "nested 20,000": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "never closed": "[" * 30_000,
    "exponent 1e30": "1e30",
    "exponent 1e31": "1e31",
    "a huge exponent": "1e1000000",
    "the largest exponent": "1E+999999999999999999",
    "a tiny exponent": "1e-1000000",
    "zero with an exponent": "0e2147483647",
    "an exponent in a string": '"0e2147483647"',
    "a huge whole number": "9" * 5_000,
    "a huge negative number": "-" + "9" * 400,
    "beyond 64 bits": str(2**64),
    "many decimals": "0." + "0" * 5_000 + "1",
    "minus zero": "-0",
    "a high surrogate": '"\\ud800"',
    "a low surrogate": '"\\udc00x"',
    "a zero byte": '"a\\u0000b"',
    "a raw control character in a string": '"a\x01b"',
    "NaN": "NaN",
    "NaN in a string": '"NaN"',
    "sNaN in a string": '"sNaN"',
    "Infinity": "-Infinity",
    "Infinity in a string": '"Infinity"',
    "a duplicate field": '{"a": 1, "a": [2]}',
    "null": "null",
    "true": "true",
    "an empty field name": '{"": {"": ""}}',
    "a long string": '"' + "\U0001f40b" * 5_000 + '"',
    "brackets in a string": '"' + "[{" * 5_000 + '"',
    "no value": "",
}
BODIES: Final = {
    "nothing": b"",
    "blanks": b" \n\t",
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "Latin-1": '{"name": "caf\u00e9"}'.encode("latin-1"),
    "overlong UTF-8": b'{"a": "\xc0\x80"}',
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "gzip": b"\x1f\x8b\x08\x00" + bytes(20),
    "a form": b"name=x&points=5",
    "an unterminated string": b'{"a": "' + b'\\"' * 20_000,
    "two values": b"{} {}",
    "an object in a list": b"[{}]",
    "a field three times": b'{"points": 1, "points": "x", "points": 1}',
    "a surrogate in a field name": b'{"\\ud800": 1}',
}


def bodies(operation: Operation) -> Iterator[tuple[str, bytes]]:
    template = TEMPLATES.get(operation.id, "$")
    for name, value in VALUES.items():
        yield name, template.replace("$", value).encode()
        yield f"{name} alone", value.encode()
        yield f"{name} unknown", (template.removesuffix("}") + f', "z": {value}}}').encode()
    yield from BODIES.items()
    if operation.id == "sendEvents":
        for name, value in VALUES.items():
            yield f"batch of {name}", f"[{template.replace('$', value)}]".encode()


def corrupted_bodies(seed: int) -> Iterator[bytes]:
    """Valid bodies with bytes changed, removed and inserted."""
    source = random.Random(seed)
    pieces = [b'"', b"\\", b"{", b"]", b"1e99", b"\xff", b"\x00", b"\\ud800", b",", b"-"]
    for template in TEMPLATES.values():
        for _ in range(12):
            body = bytearray(template.replace("$", "5").encode())
            for _ in range(source.randint(1, 4)):
                start = source.randrange(len(body))
                body[start : start + source.randint(0, 3)] = source.choice(pieces)
            yield bytes(body)


async def send(shop: Shop, keys: list[str], operation: Operation, body: bytes) -> list[ApiResponse]:
    """The responses to the body, without and with an Idempotency-Key, under a random API key."""
    kinds = [JSON, CLOUD_EVENT, CLOUD_EVENTS] if operation.id == "sendEvents" else [JSON]
    path = operation.path.replace("{id}", "x")
    return [
        await shop.call(
            operation.method,
            path,
            body,
            headers={"Content-Type": kind, **key},
            key=keys[secrets.randbelow(len(keys))],
        )
        for kind in kinds
        for key in ({}, {"Idempotency-Key": secrets.token_hex(8)})
    ]


@pytest.fixture
async def keys(shop: Shop) -> list[str]:
    """Enough keys to stay below the rate limit of each."""
    await shop.program()
    return [await shop.stack.key(shop.store_id) for _ in range(12)]


def assert_no_internal_error(response: ApiResponse, body: object) -> None:
    assert response.status < 500, (body, response.raw)


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.id)
async def test_no_body_causes_an_internal_error(
    shop: Shop, keys: list[str], operation: Operation
) -> None:
    statuses: set[int] = set()
    # A request with a weight uses up more of the rate limit.
    for name, body in itertools.islice(bodies(operation), 0, None, min(operation.weight, 10)):
        for response in await send(shop, keys, operation, body):
            assert_no_internal_error(response, name)
            statuses.add(response.status)
            await _wait_if_rate_limited(response)
    assert 400 in statuses or operation.id == "deleteReward"


async def _wait_if_rate_limited(response: ApiResponse) -> None:
    if response.status == 429:
        await asyncio.sleep(float(response.headers["Retry-After"]))


async def test_no_corrupted_body_causes_an_internal_error(shop: Shop, keys: list[str]) -> None:
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")
    by_id = {operation.id: operation for operation in WRITES}
    for number, body in enumerate(corrupted_bodies(seed)):
        operation = by_id[list(TEMPLATES)[number // 12]]
        for response in await send(shop, keys, operation, body):
            assert_no_internal_error(response, (seed, operation.id, body))
            await _wait_if_rate_limited(response)


@pytest.mark.parametrize("with_key", [False, True])
@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("[" * 64 + "]" * 64, "nested more than 64 levels deep"),
        ("1e31", "exponent"),
        ("1e-31", "exponent"),
        ("1E+1000000", "exponent"),
        ("0e2147483647", "exponent"),
    ],
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("loyalty/adjust", '{"customer_id":"c","points":%s,"reason":"r"}'),
        ("loyalty/earn/batch", '{"items":[{"customer_id":"c","points":%s,"reason":"r"}]}'),
        (
            "events",
            '{"specversion":"1.0","id":"e","source":"/s","type":"order.completed","data":%s}',
        ),
    ],
)
async def test_depth_and_exponents_are_checked_first(
    shop: Shop, path: str, body: str, value: str, detail: str, with_key: bool
) -> None:
    headers: dict[str, Any] = {"Idempotency-Key": "k"} if with_key else {}
    response = await shop.call("POST", path, (body % value).encode(), headers=headers)
    assert_problem(response, 400, "invalid_request")
    assert pointers(response) == ["#"]
    assert detail in response.json["errors"][0]["detail"]


async def test_a_body_within_the_bounds_is_accepted(shop: Shop) -> None:
    deep = "[" * 62 + "]" * 62
    event = '{"specversion":"1.0","id":"e","source":"/s","type":"order.completed","data":%s}'
    order = shop.order("o1", total="50.00")
    text = event % str(order | {"items": 0}).replace("'", '"').replace(
        '"items": 0', f'"items": {deep}, "note": "1e99 [[[["'
    )
    headers = {"Idempotency-Key": "deep"}
    responses = [
        await shop.call("POST", "events", text.encode(), headers=headers) for _ in range(2)
    ]
    assert [response.status for response in responses] == [202, 202], responses[0].raw
    assert responses[1].headers["Idempotency-Hit"] == "true"
