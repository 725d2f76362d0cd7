"""Reading the records of a batch together, and one by one where that fails."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from libs.contracts.topics import MAX_RECORD_BYTES
from libs.messaging.cloudevents import Poison
from libs.messaging.delivery import Delivery
from libs.messaging.fetching import Unreadable


class Record(Struct):
    value: bytes
    offset: int = 0
    topic: str = "numbers"
    partition: int = 0


def read(record: Record) -> int:
    if not record.value.isdigit():
        raise Poison("malformed", "not a number")
    return int(record.value)


async def deliver(values: Sequence[bytes]) -> tuple[list[list[int]], list[int], list[int]]:
    """The batches handled, how many records each call read together, and the offsets of dead letters."""
    handled: list[list[int]] = []
    read_together: list[int] = []

    async def handle(events: Sequence[int]) -> list[None]:
        handled.append(list(events))
        return [None] * len(events)

    def read_batch(records: Sequence[Record]) -> list[int]:
        read_together.append(len(records))
        return [int(record.value) for record in records]

    delivery: Delivery[Any] = Delivery(
        group="numbers", read=read, read_batch=read_batch, handle=handle, longest_delay_seconds=0
    )
    records = [Record(value, offset) for offset, value in enumerate(values)]
    result = await delivery.deliver(records)
    return handled, read_together, [letter.record.offset for letter in result.dead_letters]


async def test_records_are_read_together() -> None:
    numbers = [b"%d" % number for number in range(450)]
    handled, read_together, dead = await deliver(numbers)
    assert handled == [list(range(450))]
    assert read_together == [200, 200, 50]
    assert dead == []


async def test_a_record_that_cannot_be_read_is_found_among_its_neighbors() -> None:
    handled, _, dead = await deliver([b"1", b"x", b"3"])
    assert (handled, dead) == ([[1, 3]], [1])


async def test_records_over_the_limit_of_size_are_not_read_together() -> None:
    handled, read_together, dead = await deliver([b"1", b"0" * MAX_RECORD_BYTES + b"2"])
    assert (handled, read_together, dead) == ([[1]], [], [1])


async def test_an_unreadable_record_is_a_dead_letter_whatever_its_value_looks_like() -> None:
    handled, read_together, dead = await deliver(
        [b"1", Unreadable(b"2", "the name of a header is not UTF-8"), b"3"]
    )
    assert (handled, read_together, dead) == ([[1, 3]], [], [1])
