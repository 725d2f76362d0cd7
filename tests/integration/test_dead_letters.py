"""Any record can become a dead letter, complete or truncated, without affecting its neighbors."""

import contextlib
import hashlib
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from libs.contracts.topics import MAX_DEAD_LETTER_BYTES, MAX_RECORD_BYTES
from libs.messaging import dead_letters
from libs.messaging.cloudevents import Poison
from libs.messaging.dead_letters import DeadLetter
from libs.messaging.fetching import Unreadable
from tests.support import Stack, follow


def record(
    offset: int,
    value: bytes | None,
    *,
    topic: str,
    key: bytes | None = b"k",
    headers: Any = (("h", b"\xff"),),
) -> Any:
    return SimpleNamespace(
        topic=topic, partition=1, offset=offset, key=key, value=value, headers=headers
    )


async def published(stack: Stack, topic: str, count: int) -> dict[int, Any]:
    """The dead letters by the offset of their record."""
    by_offset: dict[int, Any] = {}
    async with contextlib.aclosing(follow(stack.kafka, f"{topic}.dlq")) as records:
        async for dead_letter in records:
            by_offset[int(dict(dead_letter.headers)["dlq-offset"])] = dead_letter
            if len(by_offset) == count:
                break
    return by_offset


@pytest.mark.parametrize(
    ("value", "key", "headers"),
    [
        pytest.param(b"x" * (MAX_DEAD_LETTER_BYTES + 1), b"k", (), id="larger than a dead letter"),
        pytest.param(b"x" * (3 * MAX_RECORD_BYTES), b"k", (), id="larger than a request"),
        pytest.param(
            b"x", b"k", [(f"h{n}", b"x" * 10_000) for n in range(120)], id="too many headers"
        ),
        pytest.param(None, None, (), id="no key and no value"),
        pytest.param(b"x", b"k" * (MAX_DEAD_LETTER_BYTES + 1), (), id="too large a key"),
        pytest.param(Unreadable(b"\0" * 100_000, "why"), None, (), id="unreadable"),
        pytest.param(b"x", b"k", [("\udcff", b"x")], id="a header name that cannot be written"),
    ],
)
async def test_a_record_that_cannot_be_copied_is_truncated_and_its_neighbors_are_not(
    stack: Stack,
    topic: str,
    producer: AIOKafkaProducer,
    value: bytes | None,
    key: bytes | None,
    headers: Any,
) -> None:
    poison = Poison("malformed", "no event")
    records = [
        record(7, b"before", topic=topic),
        record(8, value, topic=topic, key=key, headers=headers),
        record(9, b"after", topic=topic),
    ]
    await dead_letters.publish(
        producer, [DeadLetter(failed, poison) for failed in records], service="test"
    )
    published_letters = await published(stack, topic, 3)
    assert (published_letters[7].value, published_letters[9].value) == (b"before", b"after")
    assert ("h", b"\xff") in published_letters[7].headers
    assert "dlq-truncated" not in dict(published_letters[7].headers)
    truncated = dict(published_letters[8].headers)
    original = value or b""
    assert published_letters[8].value == original[:65_536]
    assert truncated["dlq-truncated"] == b"true"
    assert truncated["dlq-bytes"] == str(len(original)).encode()
    assert truncated["dlq-sha256"] == hashlib.sha256(original).hexdigest().encode()
    assert truncated["dlq-topic"] == topic.encode()
    assert (truncated["dlq-partition"], truncated["dlq-offset"]) == (b"1", b"8")


async def test_a_record_of_the_largest_size_is_not_truncated(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    value = b"x" * (MAX_RECORD_BYTES - 100)
    dead_letter = DeadLetter(record(3, value, topic=topic), Poison("malformed", "d" * 5_000))
    await dead_letters.publish(producer, [dead_letter], service="test")
    (published_letter,) = (await published(stack, topic, 1)).values()
    assert published_letter.value == value
    assert len(dict(published_letter.headers)["dlq-detail"]) == 1_000


async def test_the_headers_of_the_record_are_separated_from_the_reasons(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    original_headers = [("dlq-topic", b"x"), ("h", None), ("dlq-time", b"\xff")]
    failed = record(4, b"x", topic=topic, headers=original_headers)
    await dead_letters.publish(
        producer, [DeadLetter(failed, Poison("malformed", "no event"))], service="test"
    )
    (published_letter,) = (await published(stack, topic, 1)).values()
    headers, reasons = dead_letters.split_headers(published_letter.headers)
    assert headers == original_headers
    assert (reasons["topic"], reasons["offset"], reasons["code"]) == (topic, "4", "malformed")
