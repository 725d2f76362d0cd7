"""No body is a defect of ours: whatever stands in it, every write responds with less than 500."""

import asyncio
import itertools
import random
import secrets
from collections.abc import Iterator
from typing import Any, Final

import pytest

from libs.contracts.operations import CLOUD_EVENT, CLOUD_EVENTS, JSON, OPERATIONS, Operation
from tests.contract.test_request_checks import assert_problem, pointers
from tests.support import Answer, Shop

WRITES: Final = [one for one in OPERATIONS if one.method != "GET"]

# A right body of each operation, with $ where a value is put.
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
    "nested without end": "[" * 30_000,
    "exponent 1e30": "1e30",
    "exponent 1e31": "1e31",
    "a huge exponent": "1e1000000",
    "the largest exponent": "1E+999999999999999999",
    "a tiny one": "1e-1000000",
    "zero with an exponent": "0e2147483647",
    "an exponent in text": '"0e2147483647"',
    "a huge whole number": "9" * 5_000,
    "a huge negative one": "-" + "9" * 400,
    "beyond 64 bits": str(2**64),
    "many decimals": "0." + "0" * 5_000 + "1",
    "minus zero": "-0",
    "half a character": '"\\ud800"',
    "the other half": '"\\udc00x"',
    "a zero byte": '"a\\u0000b"',
    "text with a raw control": '"a\x01b"',
    "NaN": "NaN",
    "text NaN": '"NaN"',
    "text sNaN": '"sNaN"',
    "Infinity": "-Infinity",
    "text Infinity": '"Infinity"',
    "twice the same member": '{"a": 1, "a": [2]}',
    "null": "null",
    "true": "true",
    "an empty member": '{"": {"": ""}}',
    "a long text": '"' + "\U0001f40b" * 5_000 + '"',
    "brackets in text": '"' + "[{" * 5_000 + '"',
    "no value": "",
}
WHOLE: Final = {
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
    "an open text": b'{"a": "' + b'\\"' * 20_000,
    "two values": b"{} {}",
    "an object in a list": b"[{}]",
    "a member twice": b'{"points": 1, "points": "x", "points": 1}',
    "a surrogate for a name": b'{"\\ud800": 1}',
}


def bodies(operation: Operation) -> Iterator[tuple[str, bytes]]:
    template = TEMPLATES.get(operation.id, "$")
    for name, value in VALUES.items():
        yield name, template.replace("$", value).encode()
        yield f"{name} alone", value.encode()
        yield f"{name} unknown", (template.removesuffix("}") + f', "z": {value}}}').encode()
    yield from WHOLE.items()
    if operation.id == "sendEvents":
        for name, value in VALUES.items():
            yield f"batch of {name}", f"[{template.replace('$', value)}]".encode()


def damaged(seed: int) -> Iterator[bytes]:
    """Right bodies with bytes changed, taken out and put in."""
    chosen = random.Random(seed)
    pieces = [b'"', b"\\", b"{", b"]", b"1e99", b"\xff", b"\x00", b"\\ud800", b",", b"-"]
    for template in TEMPLATES.values():
        for _ in range(12):
            body = bytearray(template.replace("$", "5").encode())
            for _ in range(chosen.randint(1, 4)):
                place = chosen.randrange(len(body))
                body[place : place + chosen.randint(0, 3)] = chosen.choice(pieces)
            yield bytes(body)


async def send(shop: Shop, keys: list[str], operation: Operation, body: bytes) -> list[Answer]:
    """The body with an Idempotency-Key and without, each with a key that has allowance left."""
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
    """Enough keys that the allowance of none is used up."""
    await shop.program()
    return [await shop.stack.key(shop.store_id) for _ in range(12)]


def assert_no_defect(answer: Answer, what: object) -> None:
    assert answer.status < 500, (what, answer.raw)


@pytest.mark.parametrize("operation", WRITES, ids=lambda one: one.id)
async def test_no_body_is_a_defect(shop: Shop, keys: list[str], operation: Operation) -> None:
    seen: set[int] = set()
    # A heavy request uses its keys' allowance up soon.
    for name, body in itertools.islice(bodies(operation), 0, None, min(operation.weight, 10)):
        for answer in await send(shop, keys, operation, body):
            assert_no_defect(answer, name)
            seen.add(answer.status)
            await _pause(answer)
    assert 400 in seen or operation.id == "deleteReward"


async def _pause(answer: Answer) -> None:
    if answer.status == 429:
        await asyncio.sleep(float(answer.headers["Retry-After"]))


async def test_no_damaged_body_is_a_defect(shop: Shop, keys: list[str]) -> None:
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")
    by_id = {one.id: one for one in WRITES}
    for number, body in enumerate(damaged(seed)):
        operation = by_id[list(TEMPLATES)[number // 12]]
        for answer in await send(shop, keys, operation, body):
            assert_no_defect(answer, (seed, operation.id, body))
            await _pause(answer)


@pytest.mark.parametrize("with_key", [False, True])
@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("[" * 64 + "]" * 64, "nested over 64 levels"),
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
async def test_depth_and_exponents_are_bounded_before_anything_else(
    shop: Shop, path: str, body: str, value: str, detail: str, with_key: bool
) -> None:
    headers: dict[str, Any] = {"Idempotency-Key": "k"} if with_key else {}
    answer = await shop.call("POST", path, (body % value).encode(), headers=headers)
    assert_problem(answer, 400, "invalid_request")
    assert pointers(answer) == ["#"]
    assert detail in answer.json["errors"][0]["detail"]


async def test_what_is_within_the_bounds_is_judged_by_its_meaning(shop: Shop) -> None:
    deep = "[" * 62 + "]" * 62
    event = '{"specversion":"1.0","id":"e","source":"/s","type":"order.completed","data":%s}'
    order = shop.order("o1", total="50.00")
    text = event % str(order | {"items": 0}).replace("'", '"').replace(
        '"items": 0', f'"items": {deep}, "note": "1e99 [[[["'
    )
    headers = {"Idempotency-Key": "deep"}
    answers = [await shop.call("POST", "events", text.encode(), headers=headers) for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202], answers[0].raw
    assert answers[1].headers["Idempotency-Hit"] == "true"
