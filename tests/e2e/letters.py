"""The dead letters of a store, as they are on Kafka."""

from libs.contracts.topics import dead_letter_topic
from tests.reading import read_all
from tests.support import Shop


async def dead_letters_of(shop: Shop, topic: str) -> list[bytes]:
    """The values of the store's dead letters of a topic so far."""
    records = await read_all(shop.stack.kafka, dead_letter_topic(topic))
    values = [record.value or b"" for record in records]
    return [value for value in values if shop.store_id.encode() in value]
