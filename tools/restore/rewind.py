"""Sets the consumer groups back to what restored databases contain.

The offsets are in Kafka, and after a restore they are ahead of the databases: every record between
would be skipped. Two kinds of topics differ:

- What shops wrote, and dead letters, are true whatever the databases contain. The groups read them
  again from before the restored instant, and recognize what they have applied.
- What the services wrote after the instant reports transactions that were lost. A group that read it
  again would count points that no ledger contains. So the events that the databases do contain are
  published again, behind all others, and the groups continue there.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from msgspec import Struct

from libs.contracts.groups import GROUPS
from libs.contracts.topics import TOPICS
from libs.kernel.kafka import KafkaSecurity
from libs.messaging.offsets import read_committed
from libs.messaging.producer import producing
from libs.messaging.security import client_options
from tools.restore.contents import CONTENTS, Contents
from tools.stack import kafka
from tools.stack.databases import connect
from tools.stack.errors import StackError
from tools.stack.lag import OffsetRange

_POLL_MS: Final = 500
_LOG_APPEND_TIME: Final = 1
_CONSUMED: Final = tuple(dict.fromkeys(topic for group in GROUPS for topic in group.topics))
_COMPACTED: Final = {topic.name for topic in TOPICS if "cleanup.policy" in topic.config}

Offsets = dict[TopicPartition, int]
Ranges = dict[TopicPartition, OffsetRange]
OnRead = Callable[[int], None]


class TopicReport(Struct, frozen=True, kw_only=True):
    """What became of a topic: how many records its groups read again, how many events were published
    again, and the events that are in no database."""

    topic: str
    replayed: int = 0
    republished: int = 0
    lost: Sequence[bytes] = ()


class Rewind:
    """The consumer groups of the cluster at `bootstrap`, set back to before `moment`."""

    def __init__(self, bootstrap: str, security: KafkaSecurity, moment: datetime) -> None:
        self._bootstrap = bootstrap
        self._security = security
        self._since_ms = int(moment.timestamp() * 1_000)

    async def check_stopped(self) -> None:
        """Raise StackError while a group has members: they would commit their own offsets."""
        async with self._admin() as admin:
            running = [group.name for group in GROUPS if await _has_members(admin, group.name)]
        if running:
            raise StackError(
                f"The services still run ({', '.join(sorted(running))}): stop all of them, then repeat this "
                "command. A process that was killed counts as running for ten more seconds."
            )

    async def run(self, on_read: OnRead) -> AsyncIterator[TopicReport]:
        """Rewind one topic after the other; `on_read` gets the number of records read."""
        committed = await self._read_committed()
        async with producing(self._bootstrap, security=self._security) as producer:
            for topic in _CONSUMED:
                async with kafka.open_consumer(
                    self._bootstrap, topic, security=self._security
                ) as consumer:
                    ranges = await self._find_ranges(
                        consumer, committed[topic], is_compacted=topic in _COMPACTED
                    )
                    contents = CONTENTS.get(topic)
                    if contents is None:
                        report = _report_replay(topic, ranges)
                        offsets = {place: one.begin for place, one in ranges.items()}
                    else:
                        report = await _republish(consumer, producer, contents, ranges, on_read)
                        offsets = {place: one.end for place, one in ranges.items()}
                await self._commit(topic, offsets)
                yield report

    async def _read_committed(self) -> dict[str, list[Offsets]]:
        """The offsets that each group of a topic has committed."""
        committed: dict[str, list[Offsets]] = {topic: [] for topic in _CONSUMED}
        async with self._admin() as admin:
            for group in GROUPS:
                offsets = await read_committed(admin, group.name)
                for topic in group.topics:
                    committed[topic].append({place: one.offset for place, one in offsets.items()})
        return committed

    async def _find_ranges(
        self, consumer: AIOKafkaConsumer, committed: Sequence[Offsets], *, is_compacted: bool
    ) -> Ranges:
        """The records of each partition that a group may have to read again."""
        places = consumer.assignment()
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        since = await consumer.offsets_for_times(dict.fromkeys(places, self._since_ms))
        ranges = {}
        for place in places:
            whole = OffsetRange(begins[place], ends[place])
            first = whole.end if since[place] is None else since[place].offset
            if is_compacted or not await _has_broker_times(consumer, place, first, whole):
                first = whole.begin
            progress = [offsets.get(place, whole.begin) for offsets in committed]
            ranges[place] = choose_range(whole, first, progress)
        return ranges

    async def _commit(self, topic: str, offsets: Offsets) -> None:
        """Commit the offsets for every group that consumes the topic."""
        for group in GROUPS:
            if topic in group.topics:
                consumer = AIOKafkaConsumer(
                    bootstrap_servers=self._bootstrap,
                    group_id=group.name,
                    enable_auto_commit=False,
                    **client_options(self._security),
                )
                await consumer.start()
                try:
                    consumer.assign(list(offsets))
                    await consumer.commit(offsets)
                finally:
                    await consumer.stop()

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._bootstrap, **client_options(self._security)
        )
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()


async def _has_members(admin: AIOKafkaAdminClient, group: str) -> bool:
    try:
        # One group per request: aiokafka misreads a response with several.
        (response,) = await admin.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:
        # No group ever had a member.
        return False
    return any(members for _, _, _, _, _, members, *_ in response.groups)


def choose_range(whole: OffsetRange, first: int, committed: Sequence[int]) -> OffsetRange:
    """The records of a partition from `first` on, and those before that a group has not read yet:
    `committed` is where each group of the topic continues."""
    return OffsetRange(max(min(first, *committed), whole.begin), whole.end)


async def _has_broker_times(
    consumer: AIOKafkaConsumer, place: TopicPartition, first: int, whole: OffsetRange
) -> bool:
    """Whether the broker set the times by which `first` was found: a producer's clock may be wrong."""
    if whole.begin == whole.end:
        return True
    consumer.seek(place, min(first, whole.end - 1))
    record = await consumer.getone(place)
    return bool(record.timestamp_type == _LOG_APPEND_TIME)


def _report_replay(topic: str, ranges: Ranges) -> TopicReport:
    return TopicReport(topic=topic, replayed=sum(one.end - one.begin for one in ranges.values()))


async def _republish(
    consumer: AIOKafkaConsumer,
    producer: AIOKafkaProducer,
    contents: Contents,
    ranges: Ranges,
    on_read: OnRead,
) -> TopicReport:
    """Publish the events that the database contains again, in order, with their keys and headers."""
    (topic,) = {place.topic for place in ranges}
    count = 0
    lost: list[bytes] = []
    async with connect(contents.service) as connection:
        async for records in _read(consumer, ranges):
            contained = await contents.find(connection, records)
            acknowledgments = [
                await producer.send(
                    topic,
                    record.value,
                    key=record.key,
                    partition=record.partition,
                    headers=[*record.headers],
                )
                for record, is_contained in zip(records, contained, strict=True)
                if is_contained
            ]
            for acknowledgment in acknowledgments:
                await acknowledgment
            count += len(acknowledgments)
            lost += [
                record.value
                for record, is_contained in zip(records, contained, strict=True)
                if not is_contained and record.value is not None
            ]
            on_read(len(records))
    return TopicReport(topic=topic, republished=count, lost=lost)


async def _read(
    consumer: AIOKafkaConsumer, ranges: Mapping[TopicPartition, OffsetRange]
) -> AsyncIterator[list[Any]]:
    """The records of the ranges, each partition in order."""
    for place, one in ranges.items():
        consumer.seek(place, one.begin)
    unread = {place for place, one in ranges.items() if one.begin < one.end}
    while unread:
        for place, records in (await consumer.getmany(*unread, timeout_ms=_POLL_MS)).items():
            inside = [record for record in records if record.offset < ranges[place].end]
            if inside:
                yield inside
        positions = {place: await consumer.position(place) for place in unread}
        unread = {place for place, position in positions.items() if position < ranges[place].end}
