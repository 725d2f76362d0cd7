"""Decoding records into events: every CloudEvents mode, and the reasons for malformed records."""

import base64
import gzip
import json
from typing import Any

import pytest
from msgspec import Struct

from libs.contracts.events import OrderCompleted
from libs.contracts.topics import ORDER_COMPLETED
from libs.messaging.cloudevents import EventReader, Poison

Headers = list[tuple[Any, bytes | None]]

ORDER = {
    "store_id": "store_1",
    "order_id": "o1",
    "customer_id": "cust_1",
    "total": "50.00",
    "currency": "USD",
    "completed_at": "2026-03-10T12:00:00Z",
}
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "/shop", "type": ORDER_COMPLETED}
BINARY: Headers = [
    ("ce_specversion", b"1.0"),
    ("ce_type", b"order.completed"),
    ("ce_dataschema", b"/events/order.completed/v1"),
    ("content-type", b"application/json"),
]
STRUCTURED: Headers = [("content-type", b"application/cloudevents+json")]


class Record(Struct):
    value: bytes | None
    headers: Headers | None = None


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def read(value: object, headers: Headers | None = None) -> OrderCompleted:
    data = value if isinstance(value, bytes) else encoded(value)
    return EventReader(ORDER_COMPLETED, kind=OrderCompleted).read(Record(data, headers))


def poison(value: object, headers: Headers | None = None) -> Poison:
    with pytest.raises(Poison) as raised:
        read(value, headers)
    return raised.value


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b"Application/CloudEvents+JSON",
        b"APPLICATION/CLOUDEVENTS+JSON; charset=UTF-8",
        b" application/cloudevents+json ;charset=utf-8",
    ],
)
def test_media_types_are_compared_without_case(content_type: bytes) -> None:
    headers: Headers = [("content-type", content_type)]
    assert read({**ENVELOPE, "data": ORDER}, headers).order_id == "o1"


@pytest.mark.parametrize("content_type", [b"application/json", b"Application/JSON", None, b""])
def test_with_any_other_media_type_the_value_is_the_event(content_type: bytes | None) -> None:
    assert read(ORDER, [("content-type", content_type)]).order_id == "o1"


def test_without_headers_the_value_is_the_event() -> None:
    assert read(ORDER).order_id == read(ORDER, []).order_id == "o1"


def test_data_in_base64_is_decoded() -> None:
    data = base64.b64encode(encoded(ORDER)).decode()
    assert read({**ENVELOPE, "data_base64": data}, STRUCTURED).order_id == "o1"


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ({}, "neither `data` nor `data_base64`"),
        ({"data": ORDER, "data_base64": "e30="}, "both `data` and `data_base64`"),
        ({"data_base64": "%%"}, "`data_base64` is not valid base64"),
        ({"data_base64": "e30"}, "`data_base64` is not valid base64"),
        ({"data_base64": "é"}, "`data_base64` is not valid base64"),
    ],
)
def test_a_structured_event_needs_exactly_one_readable_value(
    data: dict[str, object], detail: str
) -> None:
    error = poison({**ENVELOPE, **data}, STRUCTURED)
    assert error.code == "malformed"
    assert detail in error.detail


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(
            [("ce_specversion", b"1.0"), ("ce_dataschema", b"/order.completed/v2")], id="no type"
        ),
        pytest.param([("ce_dataschema", b"https://shop.example/v2")], id="nothing else"),
        pytest.param(
            [("ce_type", b"order.completed"), ("ce_dataschema", b"/v2")], id="with the type"
        ),
    ],
)
def test_the_version_is_checked_with_and_without_the_type(headers: Headers) -> None:
    assert poison(ORDER, headers).code == "unsupported_version"


def test_headers_are_checked_again_when_they_differ_from_those_of_the_last_record() -> None:
    reader = EventReader(ORDER_COMPLETED, kind=OrderCompleted)
    valid, version_2 = Record(encoded(ORDER), BINARY), [*BINARY[:2], ("ce_dataschema", b"/v2")]
    assert reader.read(valid).order_id == "o1"
    assert reader.read(valid).order_id == "o1"
    with pytest.raises(Poison, match="not of version 1"):
        reader.read(Record(encoded(ORDER), version_2))
    with pytest.raises(Poison, match=r"order\.shipped"):
        reader.read(Record(encoded(ORDER), [("ce_type", b"order.shipped"), *BINARY[2:]]))
    assert reader.read(Record(encoded(ORDER))).order_id == "o1"


def test_the_version_is_checked_in_structured_mode() -> None:
    envelope = {**ENVELOPE, "data": ORDER, "dataschema": "/v2"}
    assert poison(envelope, STRUCTURED).code == "unsupported_version"


PAYLOAD = encoded(ORDER)


@pytest.mark.parametrize(
    ("value", "looks_like"),
    [
        pytest.param(b"\x00\x00\x00\x01\x07" + PAYLOAD, "a schema registry (schema 263)", id="SR"),
        pytest.param(PAYLOAD.decode().encode("utf-16"), "UTF-16", id="UTF-16"),
        pytest.param(PAYLOAD.decode().encode("utf-16-le"), "UTF-16", id="UTF-16, low byte first"),
        pytest.param(PAYLOAD.decode().encode("utf-16-be"), "UTF-16", id="UTF-16, high byte first"),
        pytest.param(gzip.compress(PAYLOAD), "gzip", id="gzip"),
        pytest.param(b"\x28\xb5\x2f\xfd" + PAYLOAD, "zstd", id="zstd"),
        pytest.param(b"Obj\x01" + PAYLOAD, "Avro", id="Avro"),
        pytest.param(b"\xef\xbb\xbf" + PAYLOAD, "byte order mark", id="a byte order mark"),
        pytest.param(b"<order/>", "XML", id="XML"),
        pytest.param(encoded([ORDER]), "a JSON array", id="a JSON array"),
        pytest.param(encoded(json.dumps(ORDER)), "encoded twice", id="JSON inside JSON"),
        pytest.param(
            encoded({"schema": {"type": "struct"}, "payload": ORDER}), "Kafka Connect", id="Connect"
        ),
        pytest.param(
            encoded({"before": None, "after": ORDER, "op": "c"}), "Debezium", id="Debezium"
        ),
        pytest.param(
            encoded({**ENVELOPE, "data": ORDER}),
            "a CloudEvent in structured mode, which is sent with the header `content-type: ",
            id="structured without its header",
        ),
    ],
)
def test_a_malformed_record_is_described_by_its_apparent_format(
    value: bytes, looks_like: str
) -> None:
    error = poison(value)
    assert error.code == "malformed"
    assert f"it looks like {looks_like}" in error.detail or looks_like in error.detail
    assert "it looks like" in error.detail


@pytest.mark.parametrize(
    "value",
    [b"{not json", b"", b"\x00", b"[" * 100_000, b"{" * 100_000, b"\xff", b"null", encoded({})],
)
def test_a_record_without_a_known_format_is_malformed(value: bytes) -> None:
    assert poison(value).code == "malformed"


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        pytest.param(
            {**ORDER, "completed_at": "2026-03-10 12:00"},
            "completed_at: must be an RFC 3339 time, as in 2026-03-10T12:00:00Z",
            id="no time",
        ),
        pytest.param(
            {**ORDER, "completed_at": "2026-03-10T12:00:00"},
            "completed_at: must have an offset from UTC, as in 2026-03-10T12:00:00Z",
            id="a time without an offset",
        ),
        pytest.param(
            {**ORDER, "completed_at": 5},
            "completed_at: must be a time, not a whole number",
            id="a number for a time",
        ),
        pytest.param(
            {**ORDER, "total": "1_000"},
            "total: must be a number, or a string of digits with at most six decimal places",
            id="no number",
        ),
        pytest.param(
            {**ORDER, "order_id": {}},
            "order_id: must be a whole number or a string, not an object",
            id="an object for an id",
        ),
        pytest.param({}, "store_id: is required", id="a missing field"),
        pytest.param(5, "the value must be an object, not a whole number", id="no object"),
    ],
)
def test_the_detail_says_what_must_be_sent_and_where(value: object, detail: str) -> None:
    assert poison(encoded(value)).detail == detail


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        pytest.param(b"", "the value is empty", id="empty"),
        pytest.param(
            b'{"a": ', "the value is not valid JSON: it ends before it is complete", id="cut off"
        ),
        pytest.param(b'{"store_id": "\xe9"}', "the value is not UTF-8", id="not UTF-8"),
        pytest.param(
            b'{"items": ' + b"[" * 100_000, "the value is nested too deeply", id="nested too deeply"
        ),
    ],
)
def test_the_detail_says_why_a_value_is_no_json(value: bytes, detail: str) -> None:
    assert poison(value).detail == detail


def read_batch(*records: Record) -> list[OrderCompleted]:
    return EventReader(ORDER_COMPLETED, kind=OrderCompleted).read_batch(records)


def test_records_are_read_together_as_one_by_one() -> None:
    records = [
        Record(encoded(ORDER | {"order_id": "o1"})),
        Record(encoded(ORDER | {"order_id": "o2"}), BINARY),
        Record(b" " + encoded(ORDER | {"order_id": "o3"}) + b"\r", [("ce_id", b"3"), *BINARY]),
    ]
    reader = EventReader(ORDER_COMPLETED, kind=OrderCompleted)
    assert read_batch(*records) == [reader.read(record) for record in records]


FIRST, SECOND = encoded(ORDER), encoded(ORDER | {"order_id": "o2"})


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(Record(None), id="no value"),
        pytest.param(Record(b"{}"), id="not an event"),
        pytest.param(Record(json.dumps(ORDER, indent=1).encode()), id="a value of several lines"),
        pytest.param(Record(encoded({**ENVELOPE, "data": ORDER}), STRUCTURED), id="structured"),
        pytest.param(Record(SECOND, [("ce_type", b"order.shipped")]), id="another type"),
        pytest.param(Record(SECOND, [("ce_dataschema", b"/v2")]), id="another version"),
        pytest.param(Record(SECOND + SECOND), id="two values"),
    ],
)
def test_an_unusual_record_is_found_among_others(record: Record) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  any exception has them read one by one
        read_batch(Record(FIRST), record, Record(FIRST))


@pytest.mark.parametrize("empty", [b"", b" "])
def test_a_record_with_two_events_does_not_stand_for_one_without(empty: bytes) -> None:
    """Joined, they are as many lines and events as there are records, but for the empty line."""
    with pytest.raises(ValueError, match="not one line"):
        read_batch(Record(FIRST + b"\n" + SECOND), Record(empty))
