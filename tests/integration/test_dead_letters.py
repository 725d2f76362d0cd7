"""Every record becomes a dead letter, whole or truncated, and costs its neighbors nothing."""

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
    found: dict[int, Any] = {}
    async with contextlib.aclosing(follow(stack.kafka, f"{topic}.dlq")) as records:
        async for one in records:
            found[int(dict(one.headers)["dlq-offset"])] = one
            if len(found) == count:
                break
    return found


@pytest.mark.parametrize(
    ("value", "key", "headers"),
    [
        pytest.param(b"x" * (MAX_DEAD_LETTER_BYTES + 1), b"k", (), id="larger than a letter"),
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
async def test_what_cannot_be_copied_goes_truncated_between_its_neighbors(
    stack: Stack,
    topic: str,
    producer: AIOKafkaProducer,
    value: bytes | None,
    key: bytes | None,
    headers: Any,
) -> None:
    poison = Poison("malformed", "no event")
    given = [
        record(7, b"before", topic=topic),
        record(8, value, topic=topic, key=key, headers=headers),
        record(9, b"after", topic=topic),
    ]
    letters = [DeadLetter(one, poison) for one in given]
    await dead_letters.publish(producer, letters, service="test")
    found = await published(stack, topic, 3)
    assert (found[7].value, found[9].value) == (b"before", b"after")
    assert ("h", b"\xff") in found[7].headers
    assert "dlq-truncated" not in dict(found[7].headers)
    about = dict(found[8].headers)
    whole = value or b""
    assert found[8].value == whole[:65_536]
    assert about["dlq-truncated"] == b"true"
    assert about["dlq-bytes"] == str(len(whole)).encode()
    assert about["dlq-sha256"] == hashlib.sha256(whole).hexdigest().encode()
    assert about["dlq-topic"] == topic.encode()
    assert (about["dlq-partition"], about["dlq-offset"]) == (b"1", b"8")


async def test_a_record_of_the_largest_size_goes_whole(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    value = b"x" * (MAX_RECORD_BYTES - 100)
    letter = DeadLetter(record(3, value, topic=topic), Poison("malformed", "d" * 5_000))
    await dead_letters.publish(producer, [letter], service="test")
    (found,) = (await published(stack, topic, 1)).values()
    assert found.value == value
    assert len(dict(found.headers)["dlq-detail"]) == 1_000


async def test_the_record_s_own_headers_are_told_from_the_reasons(
    stack: Stack, topic: str, producer: AIOKafkaProducer
) -> None:
    own = [("dlq-topic", b"x"), ("h", None), ("dlq-time", b"\xff")]
    given = record(4, b"x", topic=topic, headers=own)
    await dead_letters.publish(
        producer, [DeadLetter(given, Poison("malformed", "no event"))], service="test"
    )
    (found,) = (await published(stack, topic, 1)).values()
    headers, reasons = dead_letters.split_headers(found.headers)
    assert headers == own
    assert (reasons["topic"], reasons["offset"], reasons["code"]) == (topic, "4", "malformed")
