"""Databases and topics of a test's own, on the session's servers."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec import Struct

from libs.contracts.topics import Topic
from libs.messaging.producer import producing
from libs.persistence.migrate import upgrade
from tests import databases
from tests.secured import Certificate
from tests.support import Stack
from tools.stack import config, postgres


class Database(Struct, frozen=True):
    """A database of the test's own: its URL for the service, and for its owner."""

    url: str
    owner_url: str


async def create_empty_database(stack: Stack, service: str, unique: str) -> Database:
    """A database without tables, for the roles of `service`."""
    name = f"{service}_{unique}"
    await databases.create(stack, service, name=name)
    return _database(stack, service, name)


async def empty_database(stack: Stack, service: str, unique: str) -> Database:
    """The tables of `service`, empty: a copy of a database that is migrated once."""
    template, name = f"{service}_tables", f"{service}_{unique}"
    async with databases.administrator(stack) as connection:
        exists = "SELECT 1 FROM pg_database WHERE datname = $1"
        if not await connection.fetchval(exists, template):
            draft = await create_empty_database(stack, service, "draft")
            await asyncio.to_thread(upgrade, f"services.{service}", draft.owner_url)
            await connection.execute(f'ALTER DATABASE "{service}_draft" RENAME TO "{template}"')
    await databases.copy(stack, service, template=template, name=name)
    return _database(stack, service, name)


def _database(stack: Stack, service: str, name: str) -> Database:
    admin = stack.addresses.postgres_admin
    password_of = config.stack_secrets(stack.home).password_of
    as_owner, as_service = (
        postgres.role_url(admin, role, password_of(role), name=name)
        for role in (f"{service}_owner", service)
    )
    return Database(as_service, as_owner)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for servers on this machine."""
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def earning_database(stack: Stack, unique: str) -> Database:
    return await empty_database(stack, "earning", unique)


@pytest.fixture
async def topic(stack: Stack) -> str:
    """A topic with its dead letters, empty, of two partitions."""
    name = f"test.{secrets.token_hex(6)}"
    await create_topic(stack, name, dead_letters=True)
    return name


async def create_topic(stack: Stack, name: str, *, dead_letters: bool = False) -> None:
    """Create a topic of two partitions."""
    topic = Topic(name, 2)
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    await admin.create_topics(
        [
            NewTopic(one.name, one.partitions, 1, topic_configs=one.config)
            for one in ((topic, topic.dead_letter_topic) if dead_letters else (topic,))
        ]
    )
    await admin.close()


@pytest.fixture
async def producer(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    """A producer on the session's broker."""
    async with producing(stack.kafka) as producer:
        yield producer
