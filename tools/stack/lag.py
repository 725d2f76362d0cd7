"""The lag of each consumer group on each of its topics, and the number of a topic's dead letters."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from libs.contracts.groups import GROUPS
from libs.contracts.topics import CONSUMED, DEAD_LETTERS_HANDLED
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.offsets import next_offset, read_committed
from libs.messaging.security import client_options
from tools.stack import kafka

_REQUEST_MS: Final = 3_000
_WITH_DEAD_LETTERS: Final = frozenset(topic.name for topic in CONSUMED)


class ConsumerProgress(Struct, frozen=True):
    """A group on one of its topics. `lag` counts the records not committed yet; `dead_letters` counts
    the topic's dead letters of any group, except replayed and dropped ones. None: no such topic."""

    group: str
    topic: str
    lag: int | None
    dead_letters: int | None


async def read_progress(
    bootstrap: str, *, security: KafkaSecurity = PLAINTEXT
) -> list[ConsumerProgress]:
    """The present progress of every group on each of its topics. Raises KafkaError, OSError."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS, **client_options(security)
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS, **client_options(security)
    )
    try:
        await admin.start()
        await consumer.start()
        ranges = await _read_ranges(admin, consumer)
        letters = await _count_dead_letters(bootstrap, ranges, security)
        return [
            ConsumerProgress(
                group.name,
                topic,
                _lag(ranges.get(topic), committed),
                letters.get(topic) if topic in _WITH_DEAD_LETTERS else 0,
            )
            for group in GROUPS
            for committed in [await read_committed(admin, group.name)]
            for topic in group.topics
        ]
    finally:
        await consumer.stop()
        await admin.close()


class OffsetRange(Struct, frozen=True):
    """A partition's records: the offset of the first, and the offset after the last."""

    begin: int
    end: int


Ranges = Mapping[TopicPartition, OffsetRange]


async def _read_ranges(
    admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer
) -> dict[str, dict[TopicPartition, OffsetRange]]:
    """The offsets of each existing topic."""
    names = [name for topic in CONSUMED for name in (topic.name, topic.dead_letters)]
    descriptions = await admin.describe_topics([*names, DEAD_LETTERS_HANDLED])
    partitions = [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in descriptions
        for partition in topic["partitions"]
    ]
    begins = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    ranges: dict[str, dict[TopicPartition, OffsetRange]] = {}
    for partition in partitions:
        offsets = OffsetRange(begins[partition], ends[partition])
        ranges.setdefault(partition.topic, {})[partition] = offsets
    return ranges


def _lag(ranges: Ranges | None, committed: Mapping[TopicPartition, Any]) -> int | None:
    if ranges is None:
        return None
    return sum(
        offsets.end - next_offset(offsets.begin, offsets.end, committed.get(partition))
        for partition, offsets in ranges.items()
    )


async def _count_dead_letters(
    bootstrap: str, ranges: Mapping[str, Ranges], security: KafkaSecurity
) -> dict[str, int]:
    """The count of each topic. Dead letters are counted by their offsets, since they can be many and
    large: their topics are written without transactions and never compacted, so no offset is empty."""
    letters = {topic.name: ranges.get(topic.dead_letters, {}) for topic in CONSUMED}
    counts = {
        topic: sum(offsets.end - offsets.begin for offsets in partitions.values())
        for topic, partitions in letters.items()
        if partitions
    }
    if any(counts.values()):
        handled = ranges.get(DEAD_LETTERS_HANDLED, {})
        for partition, offset in await _read_handled(bootstrap, handled, security):
            topic = partition.topic.removesuffix(".dlq")
            offsets = letters.get(topic, {}).get(partition)
            if offsets is not None and offsets.begin <= offset < offsets.end:
                counts[topic] -= 1
    return counts


async def _read_handled(
    bootstrap: str, ranges: Ranges, security: KafkaSecurity
) -> set[tuple[TopicPartition, int]]:
    """The dead letters that were replayed or dropped, by partition and offset."""
    if not any(offsets.end > offsets.begin for offsets in ranges.values()):
        return set()
    handled: set[tuple[TopicPartition, int]] = set()
    async with kafka.open_consumer(bootstrap, DEAD_LETTERS_HANDLED, security=security) as consumer:
        while True:
            unread = [
                partition
                for partition, offsets in ranges.items()
                if await consumer.position(partition) < offsets.end
            ]
            if not unread:
                return handled
            for records in (await consumer.getmany(*unread, timeout_ms=200)).values():
                places = (parse_place(record.key) for record in records)
                handled |= {place for place in places if place is not None}


def parse_place(key: bytes | None) -> tuple[TopicPartition, int] | None:
    """The place of a dead letter that a record's key names; None where it names none."""
    try:
        topic, partition, offset = (key or b"").decode().rsplit(":", 2)
        return TopicPartition(topic, int(partition)), int(offset)
    except ValueError:
        return None


def format_table(progress: Sequence[ConsumerProgress]) -> list[str]:
    """The lines of `make status` on consumers."""
    lines = [f"{'consumer':<22}{'topic':<20}{'lag':>10}  {'dead letters':>12}"]
    lines += [
        f"{each.group:<22}{each.topic:<20}{_count(each.lag):>10}  {_count(each.dead_letters):>12}"
        for each in progress
    ]
    return lines


def _count(number: int | None) -> str:
    return "missing" if number is None else f"{number:,}"
