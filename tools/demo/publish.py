"""Putting the history on Kafka as a shop would: one order.completed each, keyed by customer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs.contracts.topics import ORDER_COMPLETED, record_key
from libs.kernel.clock import format_time
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.producer import producing
from libs.messaging.security import client_options
from tools.demo.history import Purchase

STORE: Final = "store_cdnow"
EARNING_GROUP: Final = "earning"

# Enough on the way to keep the broker busy, little enough to show steady progress.
_IN_FLIGHT: Final = 5_000
_POLL_SECONDS: Final = 0.1


async def publish(
    bootstrap: str,
    purchases: Sequence[Purchase],
    advance: Callable[[int], None],
    *,
    security: KafkaSecurity = PLAINTEXT,
) -> None:
    """Publish them in order; returns when the broker has them all."""
    async with producing(bootstrap, security=security) as producer:
        for start in range(0, len(purchases), _IN_FLIGHT):
            chunk = purchases[start : start + _IN_FLIGHT]
            sent = [
                await producer.send(
                    ORDER_COMPLETED,
                    key=record_key(STORE, purchase.customer_id),
                    value=_value(purchase),
                )
                for purchase in chunk
            ]
            await asyncio.gather(*sent)
            advance(len(chunk))


def _value(purchase: Purchase) -> bytes:
    return msgspec.json.encode(
        {
            "store_id": STORE,
            "order_id": purchase.order_id,
            "order_number": purchase.order_id.removeprefix("cdnow-"),
            "customer_id": purchase.customer_id,
            "total": str(purchase.dollars),
            "currency": "USD",
            "completed_at": format_time(purchase.at),
        }
    )


async def wait_until_consumed(
    bootstrap: str, remaining: Callable[[int], None], *, security: KafkaSecurity = PLAINTEXT
) -> None:
    """Wait until earning has committed all that is on the topic now; tells how much is left."""
    ends = await _ends(bootstrap, security)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options(security))
    await admin.start()
    try:
        while True:
            committed = await admin.list_consumer_group_offsets(EARNING_GROUP)
            done = {partition: max(meta.offset, 0) for partition, meta in committed.items()}
            left = sum(max(end - done.get(partition, 0), 0) for partition, end in ends.items())
            remaining(left)
            if left == 0:
                return
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await admin.close()


async def _ends(bootstrap: str, security: KafkaSecurity) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(
        ORDER_COMPLETED, bootstrap_servers=bootstrap, **client_options(security)
    )
    await consumer.start()
    try:
        partitions = consumer.partitions_for_topic(ORDER_COMPLETED) or set()
        return dict(
            await consumer.end_offsets([TopicPartition(ORDER_COMPLETED, one) for one in partitions])
        )
    finally:
        await consumer.stop()
