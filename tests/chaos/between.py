"""Sends a few records between good ones and waits for the outcome."""

import json
import random
from collections.abc import Sequence
from typing import Final

import aiohttp
from aiokafka import TopicPartition

from libs.contracts.topics import ORDER_COMPLETED, ORDER_REFUNDED, dead_letter_topic
from libs.testing.eventually import PATIENCE_SECONDS, eventually
from tests.chaos import letters
from tests.chaos.effects import TOPICS, ConsumedTopic, applied, lag
from tests.chaos.hostile import Hostile, Maker
from tests.chaos.letters import Letter
from tests.chaos.records import Place, RawProducer, Record, encode_batch
from tests.support import Shop, Stack

BY_TOPIC: Final = {topic.name: topic for topic in TOPICS}
ORDERS: Final = BY_TOPIC[ORDER_COMPLETED]


def maker(shop: Shop, topic: str = ORDER_COMPLETED) -> Maker:
    """A maker of hostile records for the topic, for a store that has no good records."""
    seed = random.randrange(10**6)
    print("seed", seed)
    choose = random.Random(seed)
    return Maker(topic=BY_TOPIC[topic], store_id=f"h-{shop.store_id}", choose=choose)


def good(shop: Shop, topic: ConsumedTopic, number: int) -> Record:
    value = json.dumps(topic.event(_store(shop, topic), number)).encode()
    return Record(key=b"k", value=value)


def _store(shop: Shop, topic: ConsumedTopic) -> str:
    """The shop's own where earning applies the topic; another for the events that earning publishes."""
    return shop.store_id if topic.owner == "earning" else f"p-{shop.store_id}"


async def between_good(shop: Shop, topic: ConsumedTopic, batches: Sequence[bytes]) -> list[Place]:
    """Send the batches between two good records of a partition, wait until those two are applied,
    and return the places of the batches. Numbers 0 and 1 are taken by the good records."""
    await shop.program(tiers=[])
    partition = random.randrange(6)
    async with RawProducer(shop.stack.kafka) as producer:
        if topic.name == ORDER_REFUNDED:
            orders = [good(shop, ORDERS, number) for number in range(2)]
            await producer.send(ORDERS.name, 0, encode_batch(orders))
        await producer.send(topic.name, partition, encode_batch([good(shop, topic, 0)]))
        places = [await producer.send(topic.name, partition, batch) for batch in batches]
        await producer.send(topic.name, partition, encode_batch([good(shop, topic, 1)]))
    await count(shop, topic, 2)
    return places


async def count(
    shop: Shop, topic: ConsumedTopic, least: int, *, within_seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait until at least so many good records are applied."""

    async def look() -> None:
        number = await applied(shop.stack, topic, _store(shop, topic))
        assert number >= least, f"{number} good records are applied"

    await eventually(look, within_seconds=within_seconds, every=0.2)


async def letters_at(
    shop: Shop, place: Place, services: frozenset[str] = frozenset()
) -> dict[str, Letter]:
    """Wait for the dead letters of these services about the record at `place`, or for any letter."""
    start = {TopicPartition(dead_letter_topic(place.topic), 0): 0}

    async def look() -> dict[str, Letter]:
        by_service = (await letters.since(shop.stack, start)).get(place, {})
        assert by_service, f"no letter is about {place}"
        assert by_service.keys() >= services, f"letters of {sorted(by_service)}"
        return by_service

    return await eventually(look, every=0.3)


async def letter_of(shop: Shop, hostile: Hostile, topic: ConsumedTopic = ORDERS) -> Letter:
    """Send the record between good ones and return its dead letter, once every consumer of the topic
    is past the record and ready."""
    batch = hostile.batch or encode_batch([hostile.record])
    (place,) = await between_good(shop, topic, [batch])
    expected = topic.services if hostile.letters == "each" else frozenset()
    by_service = await letters_at(shop, place, expected)
    for letter in by_service.values():
        assert not letters.faults_of(letter, hostile.record, readable=hostile.readable)
        assert letter.code in hostile.codes, letter.headers["dlq-detail"]
    await caught_up(shop.stack, topic)
    for service in topic.services:
        await ready(shop.stack, service)
    return next(iter(by_service.values()))


async def caught_up(stack: Stack, topic: ConsumedTopic) -> None:
    """Wait until none of the topic's consumer groups lags."""

    async def look() -> None:
        lagging = await lag(stack)
        assert not lagging.keys() & set(topic.groups), lagging

    await eventually(look, every=0.3)


async def ready(stack: Stack, service: str) -> None:
    url = f"http://{stack.process(service).address}/health/ready"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200, (service, await response.text())
