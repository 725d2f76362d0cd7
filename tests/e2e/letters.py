"""The dead letters of a store, as they are on Kafka."""

from contextlib import aclosing

from libs.contracts.topics import dead_letter_topic
from tests.support import Shop, follow


async def dead_letters_of(shop: Shop, topic: str) -> list[bytes]:
    """The values of the store's dead letters of a topic so far."""
    async with aclosing(follow(shop.stack.kafka, dead_letter_topic(topic), seconds=2)) as records:
        values = [record.value or b"" async for record in records]
    return [value for value in values if shop.store_id.encode() in value]
