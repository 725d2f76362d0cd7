"""FastStream's broker, with everything off that would act on its own."""

import logging

from faststream.kafka import KafkaBroker

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.consumer import BatchConsumer
from libs.messaging.security import broker_security

# What it has to say below an error, the consumers' own logs say better.
_logger = logging.getLogger("libs.messaging.faststream")
_logger.setLevel(logging.ERROR)


def create_broker(
    bootstrap: str,
    consumers: list[BatchConsumer[object]],
    *,
    security: KafkaSecurity = PLAINTEXT,
) -> KafkaBroker:
    """A broker whose subscribers are `consumers`; it starts and stops them."""
    broker = KafkaBroker(
        bootstrap.split(","),
        security=broker_security(security),
        apply_types=False,
        allow_auto_create_topics=False,
        logger=_logger,
        graceful_timeout=10.0,
    )
    for consumer in consumers:
        consumer.register(broker)
    return broker
