"""Everything that a topic contains."""

from typing import Any

from aiokafka import AIOKafkaConsumer

from libs.messaging import fetching


async def read_all(bootstrap: str, topic: str) -> list[Any]:
    """The records of a topic from its beginning to its present end. Other tests' hostile records are
    among them."""
    fetching.install()
    everything: list[Any] = []
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                everything += records
    return everything
