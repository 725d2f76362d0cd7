"""The offsets of a batch of records, and those that consumer groups have committed."""

from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.structs import OffsetAndMetadata

from libs.messaging.delivery import Record, partition_of


async def read_committed(
    admin: AIOKafkaAdminClient, group: str
) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """The offsets that the group has committed; none before Kafka has created the topic of offsets,
    which it does for the first member of any group. Raises KafkaError."""
    try:
        offsets: Mapping[
            TopicPartition, OffsetAndMetadata
        ] = await admin.list_consumer_group_offsets(group)
    except GroupCoordinatorNotAvailableError:
        return {}
    return offsets


def next_offset(begin: int, end: int, committed: OffsetAndMetadata | None) -> int:
    """Where a group continues in a partition with these offsets: at the beginning where it has
    committed nothing, or an offset of a topic of the same name that was deleted and recreated."""
    if committed is not None and begin <= committed.offset <= end:
        return int(committed.offset)
    return begin


def first_offsets(records: Sequence[Record]) -> dict[TopicPartition, int]:
    """The first offset of each partition in a batch, in which a partition's records mostly stand
    together: this runs once per batch, and for each record of it."""
    first: dict[TopicPartition, int] = {}
    topic = partition = None
    for record in records:
        if record.partition != partition or record.topic != topic:
            topic, partition = record.topic, record.partition
            first.setdefault(partition_of(record), record.offset)
    return first


def offsets_after(records: Sequence[Record]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition in a batch."""
    last = first_offsets(records[::-1])
    return {partition: offset + 1 for partition, offset in last.items()}
