"""Which store a dead letter belongs to: the one that its body names, unless the key names another."""

import base64
import json
from typing import Any

import pytest

from libs.messaging.cloudevents import peek
from services.earning.domain.dead_letters import Subject, find_subject, letter_id

ORDER = {"store_id": "store_1", "customer_id": "cust_1", "order_id": "1042", "total": "-1"}
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]


def subject_of(
    body: Any, key: bytes | None = None, headers: list[tuple[str, bytes]] | None = None
) -> Subject | None:
    value = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return find_subject(peek(value, headers or []), key)


WHOLE = Subject("store_1", "cust_1", "1042")


@pytest.mark.parametrize(
    ("body", "key", "expected"),
    [
        pytest.param(ORDER, None, WHOLE, id="without a key"),
        pytest.param(ORDER, b"", WHOLE, id="with an empty key"),
        pytest.param(ORDER, b"store_1:cust_1", WHOLE, id="with its own key"),
        pytest.param(ORDER, b"store_1:another", WHOLE, id="with another customer's key"),
        pytest.param(ORDER, b"store_2:cust_1", None, id="with another store's key"),
        pytest.param(ORDER, b"store_10:cust_1", None, id="with the key of a longer store id"),
        pytest.param(ORDER, b"store_1", None, id="with a key that names no store"),
        pytest.param(
            {**ORDER, "customer_id": "a b", "order_id": "a\nb"},
            None,
            Subject("store_1", None, None),
            id="with invalid ids",
        ),
        pytest.param(
            {**ORDER, "customer_id": 7, "order_id": 1042},
            None,
            Subject("store_1", "7", "1042"),
            id="with numbers for ids",
        ),
        pytest.param(
            {"store_id": "store_1", "order_id": True, "customer_id": ["x"]},
            None,
            Subject("store_1", None, None),
            id="with ids of another type",
        ),
        pytest.param({**ORDER, "store_id": "a b"}, None, None, id="of an invalid store"),
        pytest.param({**ORDER, "store_id": True}, None, None, id="of a store that is no text"),
        pytest.param(
            {"order_id": "1042"}, b"store_1:cust_1", None, id="of a store in the key only"
        ),
        pytest.param([ORDER], None, None, id="an array"),
        pytest.param(b"\x00\xff", None, None, id="no JSON"),
        pytest.param(b"[" * 5_000, None, None, id="nested too deeply"),
        pytest.param(b'{"store_id": "store_1", "tot', None, None, id="truncated"),
        pytest.param(None, b"store_1:cust_1", None, id="no value"),
    ],
)
def test_a_letter_belongs_to_the_store_that_its_body_names(
    body: Any, key: bytes | None, expected: Subject | None
) -> None:
    assert subject_of(body, key) == expected


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param({"type": "x", "data": ORDER}, STRUCTURED, id="structured"),
        pytest.param({"specversion": "1.0", "data": ORDER}, [], id="without the header"),
        pytest.param(
            {
                "specversion": "1.0",
                "data_base64": base64.b64encode(json.dumps(ORDER).encode()).decode(),
            },
            STRUCTURED,
            id="in base64",
        ),
    ],
)
def test_the_body_of_a_structured_event_is_its_data(
    body: Any, headers: list[tuple[str, bytes]]
) -> None:
    assert subject_of(body, b"store_1:cust_1", headers) == WHOLE


def test_the_id_of_a_letter_follows_from_its_place() -> None:
    place = "order.completed.dlq:0:17"
    assert letter_id(place) == letter_id(place) != letter_id("order.completed.dlq:0:18")
