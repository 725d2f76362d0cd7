"""Publishes the demo's events to Kafka as a shop would, keyed by customer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from libs.contracts.topics import ORDER_COMPLETED, record_key
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.offsets import read_committed
from libs.messaging.producer import producing
from libs.messaging.security import client_options

STORE: Final = "store_cdnow"
EARNING_GROUP: Final = "earning"

# Enough records in flight to keep the broker busy, few enough to show steady progress.
_IN_FLIGHT: Final = 5_000
_POLL_SECONDS: Final = 0.1


class ShopRecord(Struct, frozen=True):
    """An event of the demo's store, to be published to `topic`."""

    topic: str
    event: dict[str, Any]

    @property
    def key(self) -> bytes:
        return record_key(STORE, self.event["customer_id"])

    @property
    def value(self) -> bytes:
        return msgspec.json.encode({"store_id": STORE, **self.event})


async def publish(
    bootstrap: str,
    records: Sequence[ShopRecord],
    advance: Callable[[int], None] = lambda _count: None,
    *,
    security: KafkaSecurity = PLAINTEXT,
) -> None:
    """Publish the events; returns when the broker has acknowledged all. `advance` gets the count of
    each chunk."""
    async with producing(bootstrap, security=security) as producer:
        for start in range(0, len(records), _IN_FLIGHT):
            chunk = records[start : start + _IN_FLIGHT]
            acknowledgments = [
                await producer.send(record.topic, key=record.key, value=record.value)
                for record in chunk
            ]
            await asyncio.gather(*acknowledgments)
            advance(len(chunk))


async def wait_until_consumed(
    bootstrap: str, on_lag: Callable[[int], None], *, security: KafkaSecurity = PLAINTEXT
) -> None:
    """Wait until earning has committed all records that the topic has now; `on_lag` gets the number
    of records not committed yet, repeatedly."""
    ends = await _end_offsets(bootstrap, security)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options(security))
    await admin.start()
    try:
        while True:
            committed = await read_committed(admin, EARNING_GROUP)
            offsets = {partition: max(meta.offset, 0) for partition, meta in committed.items()}
            lag = sum(max(end - offsets.get(partition, 0), 0) for partition, end in ends.items())
            on_lag(lag)
            if lag == 0:
                return
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await admin.close()


async def _end_offsets(bootstrap: str, security: KafkaSecurity) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(
        ORDER_COMPLETED, bootstrap_servers=bootstrap, **client_options(security)
    )
    await consumer.start()
    try:
        numbers = consumer.partitions_for_topic(ORDER_COMPLETED) or set()
        partitions = [TopicPartition(ORDER_COMPLETED, number) for number in numbers]
        return dict(await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()
