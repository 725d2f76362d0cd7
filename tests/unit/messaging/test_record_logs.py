"""A log line about a record says where the record is, and whose it is."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Struct
from structlog.testing import capture_logs
from structlog.typing import EventDict

from libs.messaging import dead_letters
from libs.messaging.cloudevents import Poison
from libs.messaging.consumer import BatchConsumer
from libs.messaging.dead_letters import DeadLetter
from libs.messaging.delivery import Delivery
from libs.messaging.fetching import Unreadable
from tests.unit.messaging.test_truncated_dead_letters import FakeProducer

VALUE = b'{"store_id": "store_1", "customer_id": "cust_1"}'
STRUCTURED = b'{"specversion": "1.0", "type": "order.completed", "data": ' + VALUE + b"}"


class Record(Struct):
    value: bytes | None = VALUE
    headers: Sequence[tuple[str, bytes]] | None = None
    topic: str = "order.completed"
    partition: int = 3
    offset: int = 8
    key: bytes | None = None


@pytest.mark.parametrize(
    ("record", "store"),
    [
        pytest.param(Record(), "store_1", id="JSON"),
        pytest.param(Record(STRUCTURED), "store_1", id="a structured event"),
        pytest.param(Record(b'{"store_id": "a card 4111"}'), None, id="no id of a store"),
        pytest.param(Record(b'{"store_id": 7}'), None, id="a number"),
        pytest.param(Record(b'{"order_id": "1"}'), None, id="no store"),
        pytest.param(Record(b"["), None, id="no JSON"),
        pytest.param(Record(b"[]"), None, id="no object"),
        pytest.param(Record(None), None, id="no value"),
        pytest.param(Record(Unreadable(b"\0", "wrong checksum")), None, id="unreadable"),
    ],
)
def test_the_store_is_named_if_the_value_names_one(record: Record, store: str | None) -> None:
    named = {} if store is None else {"store_id": store}
    assert dead_letters.log_fields(record) == {"record": "order.completed:3:8", **named}


async def apply_all(events: Sequence[Any]) -> list[None]:
    return [None] * len(events)


async def deliver(*, read: Any) -> list[EventDict]:
    """The log of delivering a record that can be read, but never handled, next to one that can be."""

    async def handle(events: Sequence[Any]) -> list[None]:
        if VALUE in events:
            raise ZeroDivisionError
        return await apply_all(events)

    delivery: Delivery[Any] = Delivery(
        group="test", read=read, handle=handle, longest_delay_seconds=0, attempts=1
    )
    with capture_logs() as logs:
        await delivery.deliver([Record(), Record(b"1", offset=9)])
    return list(logs)


def names_of(logs: Sequence[EventDict]) -> set[tuple[str, str, str]]:
    """The name of each line, with the record and the store in it."""
    return {(line["event"], line["record"], line["store_id"]) for line in logs}


async def test_a_record_that_fails_is_named_with_its_store() -> None:
    logs = await deliver(read=lambda record: record.value)
    assert names_of(logs) == {
        ("records_failed", "order.completed:3:8", "store_1"),
        ("record_quarantined", "order.completed:3:8", "store_1"),
    }


async def test_a_record_that_cannot_be_read_is_named_with_its_store() -> None:
    logs = await deliver(read=lambda record: int(record.value))
    assert names_of(logs) == {("record_not_readable", "order.completed:3:8", "store_1")}


async def test_a_truncated_dead_letter_is_named_with_its_store() -> None:
    record = Record(VALUE[:-1] + b', "note": "' + b"x" * 200_000 + b'"}')
    with capture_logs() as logs:
        await dead_letters.publish(
            FakeProducer(),
            [DeadLetter(record, Poison("invalid", "too long"))],
            service="test",
        )
    assert names_of(logs) == {("dead_letter_truncated", "order.completed:3:8", "store_1")}


async def test_a_record_that_is_skipped_is_named_with_its_store() -> None:
    consumer: BatchConsumer[Any] = BatchConsumer(
        topics=("order.completed.dlq",),
        group="test.record_logs",
        service="test",
        read=lambda record: record,
        handle=apply_all,
        producer=None,
    )
    with capture_logs() as logs:
        await consumer._publish_dead_letters(
            [DeadLetter(Record(), Poison("malformed", "no event"))]
        )
    assert names_of(logs) == {("record_skipped", "order.completed:3:8", "store_1")}
