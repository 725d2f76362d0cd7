"""Servers without services that test files share, and empty of what an earlier file left."""

import asyncio
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs.contracts.groups import GROUPS
from libs.contracts.topics import CONSUMED, TOPICS, Topic
from libs.messaging import topics
from libs.messaging.offsets import read_committed
from libs.testing.eventually import eventually
from tests import databases
from tests.support import Stack
from tools.stack.config import WITH_DATABASE

_ALL_TOPICS: Final[tuple[Topic, ...]] = (*TOPICS, *(topic.dead_letter_topic for topic in CONSUMED))


def keep_templates(stack: Stack) -> None:
    """Keep a copy of each service's empty database, from which `empty` creates it again."""

    async def copy_all() -> None:
        for service in WITH_DATABASE:
            await databases.copy(stack, service, template=service, name=f"{service}_empty")

    asyncio.run(copy_all())


def empty(stack: Stack) -> None:
    """Create the databases and the topics again. No service may run.

    What Redis contains stays: its keys are those of a store, and each test has stores of its own.
    """

    async def empty_all() -> None:
        await asyncio.gather(_empty_databases(stack), _empty_topics(stack))

    asyncio.run(empty_all())


async def _empty_databases(stack: Stack) -> None:
    async with databases.administrator(stack) as connection:
        for service in WITH_DATABASE:
            await connection.execute(f'DROP DATABASE "{service}" WITH (FORCE)')
    for service in WITH_DATABASE:
        await databases.copy(stack, service, template=f"{service}_empty", name=service)


async def _empty_topics(stack: Stack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic.name for topic in _ALL_TOPICS])
        await eventually(lambda: _check_new(stack, admin), every=0.2)
    finally:
        await admin.close()


async def _check_new(stack: Stack, admin: AIOKafkaAdminClient) -> None:
    """Create what is missing. Raises unless every topic is empty and no group has an offset in one:
    the broker removes both a moment after it has deleted a topic."""
    await topics.create(stack.kafka)
    places = [
        TopicPartition(topic.name, number)
        for topic in _ALL_TOPICS
        for number in range(topic.partitions)
    ]
    async with AIOKafkaConsumer(bootstrap_servers=stack.kafka) as consumer:
        ends = await consumer.end_offsets(places)
    assert not any(ends.values()), ends
    for group in GROUPS:
        assert not await read_committed(admin, group.name), group.name
