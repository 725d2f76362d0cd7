"""Which roles of a process depend on Kafka: deploy/k8s runs the others in pods of their own.

Nothing here is started: until it is, a process has not reached Kafka.
"""

import pytest

from libs.messaging.runtime import Messaging

NOWHERE = "127.0.0.1:1"
DATABASE = "postgresql://127.0.0.1:1/none"


async def test_a_process_that_only_serves_requests_is_ready_without_kafka() -> None:
    messaging = Messaging(
        bootstrap=NOWHERE, database_url=DATABASE, consumers=(), relay=False, publishes=True
    )
    await messaging.ready()


async def test_a_process_that_publishes_the_outbox_is_not_ready_without_kafka() -> None:
    messaging = Messaging(bootstrap=NOWHERE, database_url=DATABASE, consumers=(), relay=True)
    with pytest.raises(ConnectionError):
        await messaging.ready()
