"""FastStream's broker, with everything off that would act on its own."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream.kafka import KafkaBroker

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import fetching
from libs.messaging.consumer import BatchConsumer
from libs.messaging.security import broker_security

# What it has to say below an error, the consumers' own logs say better.
_logger = logging.getLogger("libs.messaging.faststream")
_logger.setLevel(logging.ERROR)


# How long a poll of a quiet topic waits; it returns immediately once there is a record.
_POLL_MS = 1_000


class WatchedConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """Waits for records instead of looking for them again and again, and notes when a poll last
    came back, so that readiness can tell a loop that has stopped.

    FastStream sleeps after an empty poll for as long as the poll itself waits: a long wait there
    would delay the records that arrive meanwhile, and a short one costs an idle process its loop.
    """

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        self.polled_at = time.monotonic()
        self._committed: dict[TopicPartition, int] = {}

    async def getmany(self, *partitions: Any, timeout_ms: int = 0, **options: Any) -> Any:
        """Poll as aiokafka does, but wait longer where it waits at all. An exception is no
        completed poll."""
        wait = _POLL_MS if timeout_ms else 0
        records = await super().getmany(*partitions, timeout_ms=wait, **options)
        self.polled_at = time.monotonic()
        if wait and not records:
            await self._commit_markers()
        return records

    async def commit(self, offsets: Any = None) -> None:
        """Commit as aiokafka does."""
        await super().commit(offsets)
        self._committed |= offsets or {}

    async def _commit_markers(self) -> None:
        """Commit what was passed without a record in it: the marker at the end of a transaction
        would count as a lag of one until the next record. Everything polled before is settled."""
        ends = {}
        for place in self.assignment():
            if place not in self._committed:
                self._committed[place] = await self.committed(place) or 0
            position = await self.position(place)
            if 0 < self._committed[place] < position:
                ends[place] = position
        if ends:
            await self.commit(ends)


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
