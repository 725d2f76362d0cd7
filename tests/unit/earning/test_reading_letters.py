"""What earning stores of a dead letter: the whole record, or its beginning; and the marks of handled ones."""

from typing import Any

import msgspec
import pytest
from aiokafka import ConsumerRecord

from libs.contracts.letter_marks import Mark, decode_mark, encode_mark
from libs.messaging.cloudevents import headers_of
from libs.messaging.outbox import EncodedEvent, pack, unpack
from services.earning.consumers.dead_letters import _read_letter
from services.earning.domain.dead_letters import HandledLetter, Letter, letter_id
from tests.unit.earning.builders import NOON

VALUE = b'{"store_id": "store_1", "order_id": "o1"}'
REASON = [
    (f"dlq-{name}", value)
    for name, value in (
        ("code", b"invalid"),
        ("detail", b"total: must be more"),
        ("service", b"earning"),
        ("topic", b"order.completed"),
        ("partition", b"3"),
        ("offset", b"7"),
        ("time", b"2026-03-10T12:00:00.000Z"),
    )
]


def record(topic: str, key: bytes | None, value: bytes, headers: Any = ()) -> Any:
    return ConsumerRecord(
        topic=topic,
        partition=0,
        offset=5,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=headers,
    )


def read(
    value: bytes = VALUE, *, key: bytes | None = b"store_1:cust_1", headers: Any = ()
) -> Letter:
    letter = _read_letter(record("order.completed.dlq", key, value, [*headers, *REASON]))
    assert isinstance(letter, Letter)
    return letter


@pytest.mark.parametrize("key", [b"store_1:cust_1", None])
def test_a_record_is_kept_with_its_key_and_headers(key: bytes | None) -> None:
    headers = [("ce_id", b"\xff"), ("ce_id", b""), ("empty", None)]
    letter = read(key=key, headers=headers)
    assert (letter.key, letter.value, letter.truncated) == (key, VALUE, False)
    assert letter.raw_headers is not None
    assert [tuple(each) for each in msgspec.msgpack.decode(letter.raw_headers)] == headers


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        pytest.param(VALUE + b" " * 65_536, [], id="a large value"),
        pytest.param(VALUE, [("x", b"x" * 16_384)], id="a large header"),
    ],
)
def test_of_a_large_record_only_the_beginning_is_kept(value: bytes, headers: Any) -> None:
    letter = read(value, headers=headers)
    assert (letter.truncated, letter.key, letter.raw_headers) == (True, None, None)


@pytest.mark.parametrize("outcome", ["replayed", "dropped"])
def test_a_mark_says_what_became_of_a_letter_and_when(outcome: Any) -> None:
    mark = encode_mark(Mark(outcome, NOON))
    place = "order.completed.dlq:0:5"
    assert _read_letter(record("dead-letters.handled", place.encode(), mark)) == HandledLetter(
        id=letter_id(place), outcome=outcome, handled_at=NOON
    )


@pytest.mark.parametrize("value", [None, b"", b"replayed", b"lost 2026-03-10T12:00:00Z", b"\xff"])
def test_a_mark_that_cannot_be_read_is_none(value: bytes | None) -> None:
    assert decode_mark(value) is None


def test_a_record_in_the_outbox_keeps_its_headers_and_needs_no_key() -> None:
    event = EncodedEvent(
        topic="order.completed",
        key=None,
        value=VALUE,
        id="place",
        source="",
        time="",
        headers=[("x", b"\xff"), ("empty", None)],
    )
    (unpacked,) = unpack(pack([event]))
    assert unpacked.key is None
    assert [tuple(each) for each in headers_of(unpacked)] == event.headers


def test_an_event_that_an_earlier_version_wrote_is_read() -> None:
    earlier = msgspec.msgpack.encode([["points.earned", b"k", b"{}", "id", "earning", "time", ""]])
    (event,) = msgspec.msgpack.decode(earlier, type=list[EncodedEvent])
    assert event.headers is None
    assert dict(headers_of(event))["ce_id"] == b"id"
