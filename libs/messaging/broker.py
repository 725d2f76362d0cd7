"""FastStream's broker, with everything off that would act on its own."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer
from faststream.kafka import KafkaBroker

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import fetching
from libs.messaging.consumer import BatchConsumer
from libs.messaging.security import broker_security

# What it has to say below an error, the consumers' own logs say better.
_logger = logging.getLogger("libs.messaging.faststream")
_logger.setLevel(logging.ERROR)


class WatchedConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """Notes when a poll last came back, so that readiness can tell a loop that has stopped."""

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        self.polled_at = time.monotonic()

    async def getmany(self, *partitions: Any, **options: Any) -> Any:
        """Poll as aiokafka does; an exception is no completed poll."""
        records = await super().getmany(*partitions, **options)
        self.polled_at = time.monotonic()
        return records


class _Broker(KafkaBroker):
    """Makes its consumers of our kind; FastStream has no setting for that."""

    async def _connect(self) -> Callable[..., AIOKafkaConsumer]:
        builder = await super()._connect()
        assert isinstance(builder, partial)
        made = partial(WatchedConsumer, **builder.keywords)
        self.config.broker_config.builder = made
        return made


def create_broker(
    bootstrap: str,
    consumers: list[BatchConsumer[object]],
    *,
    security: KafkaSecurity = PLAINTEXT,
) -> KafkaBroker:
    """A broker whose subscribers are `consumers`; it starts and stops them."""
    fetching.install()
    broker = _Broker(
        bootstrap.split(","),
        security=broker_security(security),
        apply_types=False,
        # Its own producer and admin client would only keep connections open.
        consumer_only=True,
        allow_auto_create_topics=False,
        # How soon a topic that was deleted and created again is consumed again.
        metadata_max_age_ms=10_000,
        logger=_logger,
        graceful_timeout=10.0,
    )
    for consumer in consumers:
        consumer.register(broker)
    return broker
