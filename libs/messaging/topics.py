"""Making the topics, which nothing else makes: brokers' automatic creation stays off."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from libs.contracts.topics import CONSUMED, TOPICS, Topic
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.security import client_options


async def create(
    bootstrap: str, *, replication: int = 1, security: KafkaSecurity = PLAINTEXT
) -> list[str]:
    """Create the topics that are missing, and a dead-letter topic for each that is consumed.

    Answers the names of the new ones. Existing topics are left as they are.
    """
    wanted = [_new(topic, replication) for topic in TOPICS]
    wanted += [_new(topic.dead_letter_topic, replication) for topic in CONSUMED]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options(security))
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in wanted if topic.name not in existing]
        await _create(admin, missing)
    finally:
        await admin.close()
    return [topic.name for topic in missing]


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[NewTopic]) -> None:
    if not topics:
        return
    response = await admin.create_topics(list(topics))
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise KafkaError(f"the topic {name} cannot be created: {error.__name__} {rest}")


def _new(topic: Topic, replication: int) -> NewTopic:
    return NewTopic(
        name=topic.name,
        num_partitions=topic.partitions,
        replication_factor=replication,
        topic_configs=topic.config,
    )
