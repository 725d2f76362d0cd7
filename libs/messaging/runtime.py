"""A service's side of Kafka, started and stopped as one: consumers, their dead letters, the relay."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from libs.kernel.errors import Unavailable
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.backoff import delays
from libs.messaging.broker import create_broker
from libs.messaging.cloudevents import headers_of
from libs.messaging.consumer import BatchConsumer, NotReady
from libs.messaging.outbox import EncodedEvent
from libs.messaging.producer import create_producer
from libs.messaging.relay import Relay
from libs.observability import logging

# Well within the time that a caller's gateway waits for us.
_PUBLISH_SECONDS: Final = 8.0

MakeConsumer = Callable[[AIOKafkaProducer], BatchConsumer[Any]]

log = logging.get(__name__)


class Messaging:
    """Used as a context: inside it the consumers consume and the relay relays.

    Kafka may be away at the start and come later; until then the service answers HTTP, writes its
    outbox, and says that it is not ready.
    """

    def __init__(
        self,
        *,
        bootstrap: str,
        database_url: str,
        consumers: Sequence[MakeConsumer],
        relay: bool,
        publishes: bool = False,
        security: KafkaSecurity = PLAINTEXT,
    ) -> None:
        self._bootstrap = bootstrap
        self._security = security
        self._make_consumers = consumers
        self._publishes = publishes
        self._relay = Relay(database_url, bootstrap, security=security) if relay else None
        self._consumers: list[BatchConsumer[Any]] = []
        self._producer: AIOKafkaProducer | None = None
        self._broker: KafkaBroker | None = None
        self._running: list[asyncio.Task[None]] = []
        self._trouble: str | None = "connecting to Kafka"

    def wake_relay(self) -> None:
        """Something was written to the outbox."""
        if self._relay is not None:
            self._relay.wake()

    async def publish(self, events: Sequence[EncodedEvent]) -> None:
        """Put events on their topics, for one who asked from outside; what a service tells of its
        own state goes through the outbox. Returns when the broker has them all.

        Raises Unavailable while it does not take them: then some may be there all the same.
        """
        if not events:
            return
        if self._producer is None:
            raise Unavailable("Kafka cannot be reached at the moment.")
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                await asyncio.gather(*[await self._send(event) for event in events])
        except (KafkaError, TimeoutError) as error:
            log.warning("not_published", events=len(events), error=repr(error))
            raise Unavailable("Kafka does not answer at the moment.") from error

    async def _send(self, event: EncodedEvent) -> "asyncio.Future[Any]":
        assert self._producer is not None
        sent: asyncio.Future[Any] = await self._producer.send(
            event.topic, key=event.key, value=event.value, headers=headers_of(event)
        )
        return sent

    async def ready(self) -> None:
        """Raise while a part cannot do its work."""
        if self._make_consumers and self._trouble is not None:
            raise NotReady(self._trouble)
        for consumer in self._consumers:
            await consumer.ready()
        if self._relay is not None:
            await self._relay.ready()

    async def __aenter__(self) -> Self:
        if self._make_consumers or self._publishes:
            self._running.append(asyncio.create_task(self._start(), name="messaging"))
        if self._relay is not None:
            self._running.append(asyncio.create_task(self._relay.run(), name="relay"))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._broker is not None:
            await self._broker.stop()
        for consumer in self._consumers:
            await consumer.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._producer is not None:
            await self._producer.stop()

    async def _start(self) -> None:
        self._producer = await self._connect()
        if self._make_consumers:
            self._broker = await self._start_consumers(self._producer)
        self._trouble = None

    async def _start_consumers(self, producer: AIOKafkaProducer) -> KafkaBroker:
        """The consumers, started as soon as Kafka lets them."""
        for delay in delays():
            self._consumers = [make(producer) for make in self._make_consumers]
            for consumer in self._consumers:
                consumer.on_done = self.wake_relay
            broker = create_broker(self._bootstrap, self._consumers, security=self._security)
            try:
                await broker.start()
            except Exception as error:  # noqa: BLE001  without them nothing would ever be consumed
                await broker.stop()
                self._trouble = f"the consumers cannot start: {error!r}"
                log.warning("consumers_wait", error=repr(error))
                await asyncio.sleep(delay)
            else:
                return broker
        raise AssertionError("delays never end")

    async def _connect(self) -> AIOKafkaProducer:
        """A producer that is connected, as soon as there is a Kafka to connect to."""
        for delay in delays():
            producer = create_producer(self._bootstrap, security=self._security)
            try:
                await producer.start()
            except Exception as error:  # noqa: BLE001  it is tried until it works
                await producer.stop()
                self._trouble = f"Kafka is away: {error!r}"
                log.warning("kafka_away", error=repr(error))
                await asyncio.sleep(delay)
            else:
                return producer
        raise AssertionError("delays never end")
