"""A dead letter that Kafka refuses is truncated, which makes it small whatever the record's size."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError
from msgspec import Struct

from libs.messaging import dead_letters
from libs.messaging.cloudevents import Headers, Poison
from libs.messaging.dead_letters import DeadLetter
from libs.messaging.fetching import Unreadable

MB = 1_000_000
# A record of this size is refused; a truncated dead letter is far smaller.
LIMIT_BYTES = 100_000


class Message(Struct):
    """A message that the producer was asked to send."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    def size(self) -> int:
        headers = sum(len(name.encode()) + len(content or b"") for name, content in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


class FakeProducer:
    """Accepts messages up to `limit` bytes; fails with `error` if there is one."""

    def __init__(self, *, limit: int = LIMIT_BYTES, error: Exception | None = None) -> None:
        self.accepted: list[Message] = []
        self.attempts = 0
        self._limit = limit
        self._error = error

    async def send(
        self, _topic: str, *, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[None]:
        self.attempts += 1
        message = Message(key, value, headers)
        acknowledgment = asyncio.get_running_loop().create_future()
        if self._error is not None:
            raise self._error
        if message.size() > self._limit:
            raise MessageSizeTooLargeError
        self.accepted.append(message)
        acknowledgment.set_result(None)
        return acknowledgment


async def publish(
    producer: FakeProducer,
    *,
    value: bytes | None = b"{",
    key: bytes | None = b"k",
    headers: Any = (),
) -> None:
    record = SimpleNamespace(
        topic="order.completed", partition=3, offset=8, key=key, value=value, headers=headers
    )
    dead_letter = DeadLetter(record, Poison("malformed", "no event"))
    await dead_letters.publish(producer, [dead_letter], service="earning")


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"value": b"x" * 3 * MB}, id="a large value"),
        pytest.param({"key": b"x" * 3 * MB}, id="a large key"),
        pytest.param({"headers": [("h", b"x" * 3 * MB)]}, id="a large header"),
        pytest.param({"headers": [("h" * 3 * MB, b"x")]}, id="a large name of a header"),
        pytest.param({"headers": [("h", None)] * 200_000}, id="many headers"),
    ],
)
async def test_a_record_over_the_limit_becomes_a_small_dead_letter(record: dict[str, Any]) -> None:
    producer = FakeProducer()
    await publish(producer, **record)
    (dead_letter,) = producer.accepted
    assert dict(dead_letter.headers)["dlq-truncated"] == b"true"
    assert dict(dead_letter.headers)["dlq-offset"] == b"8"


async def test_a_record_that_is_large_in_every_part_becomes_a_small_dead_letter() -> None:
    """Each part is below the limit alone, so every part has to be truncated."""
    producer = FakeProducer()
    headers = [("n" * 60_000, b"x" * 60_000)] * 1_000
    await publish(producer, value=b"x" * MB, key=b"k" * MB, headers=headers)
    (dead_letter,) = producer.accepted
    assert dead_letter.size() < LIMIT_BYTES
    assert len(dead_letter.headers) < 50


async def test_a_header_name_that_cannot_be_encoded_is_escaped() -> None:
    producer = FakeProducer()
    await publish(producer, value=b"x" * MB, headers=[("\udcff", b"x")])
    (dead_letter,) = producer.accepted
    assert dead_letter.headers[0] == ("\\udcff", b"x")


async def test_the_dead_letter_of_an_unreadable_record_is_marked_as_truncated() -> None:
    producer = FakeProducer()
    await publish(producer, value=Unreadable(b"\0" * 10, "wrong checksum"), key=None)
    (dead_letter,) = producer.accepted
    assert dict(dead_letter.headers)["dlq-truncated"] == b"true"


async def test_a_record_that_fits_is_published_unchanged() -> None:
    producer = FakeProducer()
    await publish(producer, value=b"{", headers=[("h", b"\xff")])
    (dead_letter,) = producer.accepted
    assert (dead_letter.key, dead_letter.value, dead_letter.headers[0]) == (
        b"k",
        b"{",
        ("h", b"\xff"),
    )
    assert "dlq-truncated" not in dict(dead_letter.headers)


async def test_an_unavailable_broker_is_an_error_and_truncates_nothing() -> None:
    producer = FakeProducer(error=KafkaConnectionError("connection refused"))
    with pytest.raises(KafkaConnectionError):
        await publish(producer)
    assert producer.attempts == 1


@pytest.mark.parametrize("error", [AssertionError(), TypeError(), ValueError(), OverflowError()])
async def test_a_record_that_the_producer_cannot_write_is_retried_truncated(
    error: Exception,
) -> None:
    producer = FakeProducer(error=error)
    with pytest.raises(KafkaError):
        await publish(producer)
    assert producer.attempts == 2


async def test_a_refused_truncated_dead_letter_is_an_error_so_that_its_record_is_not_committed() -> (
    None
):
    with pytest.raises(KafkaError, match=r"order\.completed:3:8"):
        await publish(FakeProducer(limit=10))
