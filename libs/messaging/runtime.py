"""A service's side of Kafka: its consumers, their dead letters, and the relay."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from libs.background.backoff import delays
from libs.background.periodic import Periodic
from libs.kernel.errors import Unavailable
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging import spans
from libs.messaging.broker import create_broker
from libs.messaging.cloudevents import headers_of
from libs.messaging.consumer import BatchConsumer, NotReady
from libs.messaging.outbox import EncodedEvent, unpack
from libs.messaging.producer import create_producer
from libs.messaging.relay import Relay
from libs.observability import logging

# Shorter than the gateway's timeout for this service, so that the caller gets the reason.
_PUBLISH_SECONDS: Final = 8.0
# At least as often as Prometheus usually reads them.
_REPORT_SECONDS: Final = 5.0

CreateConsumer = Callable[[AIOKafkaProducer], BatchConsumer[Any]]

log = logging.get(__name__)


class Messaging:
    """Consumes and relays from `start` to `stop`.

    Kafka may be unavailable at the start: the service then serves HTTP and writes to its outbox,
    reports not ready, and connects as soon as it can. `unpack` returns the events of a row of the outbox.
    """

    def __init__(
        self,
        *,
        bootstrap: str,
        database_url: str,
        consumers: Sequence[CreateConsumer],
        relay: bool,
        publishes: bool = False,
        unpack: Callable[[bytes], list[EncodedEvent]] = unpack,
        security: KafkaSecurity = PLAINTEXT,
    ) -> None:
        self._bootstrap = bootstrap
        self._security = security
        self._create_consumers = consumers
        self._publishes = publishes
        self._relay = (
            Relay(database_url, bootstrap, unpack=unpack, security=security) if relay else None
        )
        self._consumers: list[BatchConsumer[Any]] = []
        self._producer: AIOKafkaProducer | None = None
        self._broker: KafkaBroker | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._reporter = Periodic(
            "consumer metrics",
            self._report,
            every_seconds=_REPORT_SECONDS,
            is_transient=lambda error: isinstance(error, KafkaError),
        )
        self._not_ready_reason: str | None = "connecting to Kafka"

    def wake_relay(self) -> None:
        """Have the relay read the outbox immediately; called after a commit that wrote to it."""
        if self._relay is not None:
            self._relay.wake()

    async def publish(self, events: Sequence[EncodedEvent]) -> None:
        """Publish events that a caller sent; returns when the broker has stored all of them. Events
        about the service's own state go through the outbox instead.

        Raises Unavailable while the broker does not store them; some may be stored nevertheless.
        """
        if not events:
            return
        if self._producer is None:
            raise Unavailable("Kafka is unavailable. Try again in a moment.")
        try:
            with spans.publishing(events):
                async with asyncio.timeout(_PUBLISH_SECONDS):
                    await asyncio.gather(*[await self._send(event) for event in events])
        except (KafkaError, TimeoutError) as error:
            log.warning("publish_failed", events=len(events), error=repr(error))
            raise Unavailable("Kafka does not respond. Try again in a moment.") from error

    async def _send(self, event: EncodedEvent) -> "asyncio.Future[Any]":
        assert self._producer is not None
        acknowledgment: asyncio.Future[Any] = await self._producer.send(
            event.topic, key=event.key, value=event.value, headers=headers_of(event)
        )
        return acknowledgment

    def stopped_groups(self) -> set[str]:
        """The consumer groups of which this process has stopped a partition."""
        return {consumer.group for consumer in self._consumers if consumer.has_stopped}

    async def ready(self) -> None:
        """Raise NotReady or ConnectionError while a consumer or the relay does not work."""
        if self._create_consumers and self._not_ready_reason is not None:
            raise NotReady(self._not_ready_reason)
        for consumer in self._consumers:
            await consumer.ready()
        if self._relay is not None:
            await self._relay.ready()

    async def start(self) -> None:
        if self._create_consumers or self._publishes:
            self._tasks.append(asyncio.create_task(self._start(), name="messaging"))
        if self._relay is not None:
            self._tasks.append(asyncio.create_task(self._relay.run(), name="relay"))
        await self._reporter.start()

    async def stop(self) -> None:
        await self._reporter.stop()
        if self._broker is not None:
            await self._broker.stop()
        for consumer in self._consumers:
            await consumer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._producer is not None:
            await self._producer.stop()

    async def _report(self) -> None:
        for consumer in self._consumers:
            await consumer.report()

    async def _start(self) -> None:
        self._producer = await self._connect()
        if self._create_consumers:
            self._broker = await self._start_consumers(self._producer)
        self._not_ready_reason = None

    async def _start_consumers(self, producer: AIOKafkaProducer) -> KafkaBroker:
        """Start the consumers, with retries until Kafka accepts them."""
        for delay in delays():
            self._consumers = [create(producer) for create in self._create_consumers]
            for consumer in self._consumers:
                consumer.on_commit = self.wake_relay
            broker = create_broker(self._bootstrap, self._consumers, security=self._security)
            try:
                await broker.start()
            except Exception as error:  # noqa: BLE001  an exception here would end consuming silently
                await broker.stop()
                self._not_ready_reason = f"the consumers cannot start: {error!r}"
                log.warning("consumers_retry", error=repr(error))
                await asyncio.sleep(delay)
            else:
                return broker
        raise AssertionError("delays never end")

    async def _connect(self) -> AIOKafkaProducer:
        """Connect a producer, with retries until Kafka is available."""
        for delay in delays():
            producer = create_producer(self._bootstrap, security=self._security)
            try:
                await producer.start()
            except Exception as error:  # noqa: BLE001  whatever the reason, it is retried
                await producer.stop()
                self._not_ready_reason = f"Kafka is unavailable: {error!r}"
                log.warning("kafka_unavailable", error=repr(error))
                await asyncio.sleep(delay)
            else:
                return producer
        raise AssertionError("delays never end")
