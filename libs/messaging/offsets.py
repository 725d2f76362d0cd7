"""The offsets that consumer groups have committed."""

from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.structs import OffsetAndMetadata


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
