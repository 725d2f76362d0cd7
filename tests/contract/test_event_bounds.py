"""Events: what is read is what the published schemas say, of shops' and of our own."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import jsonschema_rs
import pytest
from msgspec import Struct

from libs.contracts.event_bounds import EVENT_BOUNDS
from libs.contracts.events import (
    OrderCompleted,
    OrderFulfilled,
    OrderRefunded,
    PointsPosted,
    ShopEvent,
)
from libs.kernel.clock import parse_time, utc_now
from libs.messaging.cloudevents import EventReader, Poison
from services.earning.domain.shop_events import (
    OutOfBounds,
    build_fulfillment,
    build_order,
    build_refund,
    is_guest,
)
from tools.docs import events, files
from tools.docs.events import EVENTS, EventDoc

BUILD: dict[type, Callable[..., object]] = {
    OrderCompleted: build_order,
    OrderRefunded: build_refund,
    OrderFulfilled: build_fulfillment,
}
OURS = [doc for doc in EVENTS if doc.is_ours]
SHOPS = [doc for doc in EVENTS if not doc.is_ours]
# Values at the edges of bounds, and of every other kind. None of them is a time, nor a whole number
# written with a fraction, which JSON Schema takes for an integer and the reader does not.
VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        [],
        {},
        "",
        " ",
        "a",
        "a b",
        "a\n",
        "a\x00b",
        "a\x1fb",
        "a\x85b",
        "a\u2028",
    ),
    *("é", "e\u0301", "o'brien@example.com", "🐋", ".", "..", "a/b", "٥٠", "USD", "usd", "USDX"),
    *("0", "0.0", "0.000001", "0.0000001", "50.00", "050.00", "50.", ".5", "+50", "-50", "5e1"),
    *("1_000", " 50 ", "50\n", "NaN", "1000000000000", "1000000000000.1", "0e2147483647"),
    *("x" * size for size in (40, 41, 64, 65, 120, 121, 128, 129, 255, 256, 1000, 1001, 2001)),
    *(0, 1, -1, 5, 50, 10**12, 10**12 + 1, 9 * 10**15, 9 * 10**15 + 1, -(9 * 10**15) - 1),
    *(2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**20, 10**63, 10**65, 10**127, 10**129, -(10**128)),
    *(0.5, 50.25, 0.30000000000000004, 1e-07, 1e13 + 0.5, -0.01),
    *("txn_0196f3a0-0000-7000-8000-000000000000", "txn_1", "rwd_1"),
    *(["txn_0196f3a0-0000-7000-8000-000000000000"], ["txn_1"], [5]),
    *({"a": "b"}, {"a\x00": "b"}, {"a": "b\x00"}, {"a": "line\nline"}, {"a": 5}, {"k" * 41: "v"}),
    *({"id": "rwd_1", "name": "Coffee"}, {"id": "a\x00b", "name": "Coffee"}, {"id": "rwd_1"}),
    *({"percent": "10"}, {"amount": "5.00", "currency": "USD"}, {"amount": "a lot"}),
]
MOMENTS = [
    *("2026-03-10T12:00:00.000Z", "2026-03-10T12:00:00+02:00", "1970-01-02T00:00:00Z"),
    *("2026-03-10T12:00:00", "2026-03-10", "x", "2026-13-45T12:00:00Z", "a\x00", 5, None),
    *("0001-01-01T00:00:00+14:00", "2026-03-10T25:00:00Z"),
]


class Record(Struct):
    value: bytes
    headers: None = None


def _fields(docs: list[EventDoc]) -> list[Any]:
    return [
        pytest.param(doc, name, id=f"{doc.topic}.{name}")
        for doc in docs
        for name, schema in events.schema_of(doc)["properties"].items()
        if schema and name != "items"
    ]


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


def _validator(doc: EventDoc) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        events.schema_of(doc), validate_formats=True, formats={"date-time": _is_time}
    )


def _is_read(doc: EventDoc, value: dict[str, Any]) -> bool:
    """Whether a consumer takes the event, as an effect or as a guest's."""
    try:
        event = EventReader(doc.topic, kind=doc.kind).read(Record(json.dumps(value).encode()))
        build = BUILD.get(type(event))
        if build is not None and isinstance(event, ShopEvent) and not is_guest(event):
            build(event, now=utc_now())
    except (Poison, OutOfBounds):
        return False
    return True


@pytest.mark.parametrize(("doc", "name"), _fields([*SHOPS, *OURS]))
def test_an_event_is_read_just_where_its_schema_says(doc: EventDoc, name: str) -> None:
    right = events.read_sample(files.SAMPLES, doc).value
    documented = _validator(doc)
    is_moment = name.endswith("_at")
    accepted = refused = 0
    for value in MOMENTS if is_moment else VALUES:
        event = {**deepcopy(right), name: value}
        is_read = _is_read(doc, event)
        # Our own events omit a field without a value; the reader takes a null for the same.
        if not (doc.is_ours and value is None):
            assert documented.is_valid(event) == is_read, value
        accepted += is_read
        refused += not is_read
    assert accepted
    assert refused


@pytest.mark.parametrize("doc", OURS, ids=lambda doc: doc.topic)
def test_every_field_of_our_own_events_that_can_break_a_store_has_a_bound(
    doc: EventDoc,
) -> None:
    without = {
        name
        for name, schema in events.schema_of(doc)["properties"].items()
        if schema and schema.get("type") != "boolean"
    } - {"from" if name == "from_" else name for name in EVENT_BOUNDS[doc.kind]}
    assert without == set()


def test_a_kind_that_comes_later_is_read() -> None:
    for topic, changes in (
        ("points.adjusted", {"type": "transfer"}),
        ("catalog.reward", {"type": "gift"}),
        ("anomaly.resolved", {"type": "night_owl", "status": "archived", "resolution": "warned"}),
    ):
        doc = next(doc for doc in EVENTS if doc.topic == topic)
        assert _is_read(doc, {**events.read_sample(files.SAMPLES, doc).value, **changes})


def test_a_bound_that_is_broken_is_invalid_and_named() -> None:
    doc = next(doc for doc in EVENTS if doc.kind is PointsPosted)
    value = {**events.read_sample(files.SAMPLES, doc).value, "reason": "a\x00b"}
    with pytest.raises(Poison) as raised:
        EventReader(doc.topic, kind=doc.kind).read(Record(json.dumps(value).encode()))
    assert raised.value.code == "invalid"
    assert raised.value.detail.startswith("reason: must be 1-255 characters")
