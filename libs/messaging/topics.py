"""Creates the Kafka topics; automatic creation by the brokers stays off."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from libs.contracts.topics import CONSUMED, TOPICS, Topic
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.security import client_options


async def create(
    bootstrap: str, *, replication: int = 1, security: KafkaSecurity = PLAINTEXT
) -> list[str]:
    """Create missing topics, including a dead-letter topic for each topic that is consumed.

    Returns the names of the created topics. Existing topics are not changed. Raises KafkaError if
    a topic cannot be created.
    """
    required = [_new(topic, replication) for topic in TOPICS]
    required += [_new(topic.dead_letter_topic, replication) for topic in CONSUMED]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options(security))
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in required if topic.name not in existing]
        return await _create(admin, missing)
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[NewTopic]) -> list[str]:
    """The names of those that did not exist: a list of topics contains only those that the client may see."""
    if not topics:
        return []
    created: list[str] = []
    response = await admin.create_topics(list(topics))
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise KafkaError(f"the topic {name} cannot be created: {error.__name__} {rest}")
        if not code:
            created.append(name)
    return created


def _new(topic: Topic, replication: int) -> NewTopic:
    return NewTopic(
        name=topic.name,
        num_partitions=topic.partitions,
        replication_factor=replication,
        topic_configs=topic.config,
    )
