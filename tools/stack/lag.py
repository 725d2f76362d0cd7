"""How far each consumer group is behind on each topic, and how many dead letters a topic has."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from libs.contracts.groups import GROUPS
from libs.contracts.topics import CONSUMED, DEAD_LETTERS_HANDLED
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.security import client_options
from tools.stack import kafka

_REQUEST_MS: Final = 3_000


class Progress(Struct, frozen=True):
    """A group on one of its topics. `lag` are the records not committed yet, `dead_letters` those of
    the topic, whichever group's, that nobody replayed or dropped; None while a topic is missing."""

    group: str
    topic: str
    lag: int | None
    dead_letters: int | None


async def progress(bootstrap: str, *, security: KafkaSecurity = PLAINTEXT) -> list[Progress]:
    """Every group on every topic of its own, as Kafka has them now. Raises KafkaError, OSError."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS, **client_options(security)
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS, **client_options(security)
    )
    try:
        await admin.start()
        await consumer.start()
        spans = await _spans(admin, consumer)
        letters = await _dead_letters(bootstrap, spans, security)
        return [
            Progress(group.name, topic, _lag(spans.get(topic), committed), letters.get(topic))
            for group in GROUPS
            for committed in [await admin.list_consumer_group_offsets(group.name)]
            for topic in group.topics
        ]
    finally:
        await consumer.stop()
        await admin.close()


class Span(Struct, frozen=True):
    """What a partition has: the first record's offset, and the one after the last."""

    begin: int
    end: int


Spans = Mapping[TopicPartition, Span]


async def _spans(
    admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer
) -> dict[str, dict[TopicPartition, Span]]:
    """The partitions of each topic that exists."""
    names = [name for topic in CONSUMED for name in (topic.name, topic.dead_letters)]
    found = await admin.describe_topics([*names, DEAD_LETTERS_HANDLED])
    places = [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in found
        for partition in topic["partitions"]
    ]
    begins = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    spans: dict[str, dict[TopicPartition, Span]] = {}
    for place in places:
        spans.setdefault(place.topic, {})[place] = Span(begins[place], ends[place])
    return spans


def _lag(spans: Spans | None, committed: Mapping[TopicPartition, Any]) -> int | None:
    if spans is None:
        return None
    return sum(span.end - _next_offset(span, committed.get(place)) for place, span in spans.items())


def _next_offset(span: Span, committed: Any) -> int:
    """Where the group goes on: at the beginning where it committed nothing, or something that a
    topic of the same name had before it was recreated."""
    if committed is not None and span.begin <= committed.offset <= span.end:
        return int(committed.offset)
    return span.begin


async def _dead_letters(
    bootstrap: str, spans: Mapping[str, Spans], security: KafkaSecurity
) -> dict[str, int]:
    """By topic. Dead letters are counted by their offsets, since they can be many and large: their
    topics are written without transactions and never compacted, so that no offset is empty."""
    letters = {topic.name: spans.get(topic.dead_letters, {}) for topic in CONSUMED}
    counts = {
        topic: sum(span.end - span.begin for span in found.values())
        for topic, found in letters.items()
        if found
    }
    if any(counts.values()):
        ends = spans.get(DEAD_LETTERS_HANDLED, {})
        for place, offset in await _handled(bootstrap, ends, security):
            topic = place.topic.removesuffix(".dlq")
            span = letters.get(topic, {}).get(place)
            if span is not None and span.begin <= offset < span.end:
                counts[topic] -= 1
    return counts


async def _handled(
    bootstrap: str, spans: Spans, security: KafkaSecurity
) -> set[tuple[TopicPartition, int]]:
    """The dead letters that were replayed or dropped."""
    if not any(span.end > span.begin for span in spans.values()):
        return set()
    found: set[tuple[TopicPartition, int]] = set()
    async with kafka.reading(bootstrap, DEAD_LETTERS_HANDLED, security=security) as consumer:
        while True:
            left = [place for place in spans if await consumer.position(place) < spans[place].end]
            if not left:
                return found
            for records in (await consumer.getmany(*left, timeout_ms=200)).values():
                found |= {_place(record.key) for record in records if record.key is not None}


def _place(key: bytes) -> tuple[TopicPartition, int]:
    topic, partition, offset = key.decode().rsplit(":", 2)
    return TopicPartition(topic, int(partition)), int(offset)


def table(found: Sequence[Progress]) -> list[str]:
    """The lines of `make status` on consumers."""
    lines = [f"{'consumer':<22}{'topic':<20}{'lag':>10}  {'dead letters':>12}"]
    lines += [
        f"{each.group:<22}{each.topic:<20}{_count(each.lag):>10}  {_count(each.dead_letters):>12}"
        for each in found
    ]
    return lines


def _count(number: int | None) -> str:
    return "missing" if number is None else f"{number:,}"
