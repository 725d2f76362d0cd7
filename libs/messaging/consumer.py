"""The delivery policy of every consumer, decided once: at least once, in order, nothing lost.

A record ends as one of

- done: the handler committed its effect,
- permanent: it can never work and goes to the dead letters; its neighbours are applied,
- transient: the store is away. The batch is tried again for as long as it takes; meanwhile the
  partitions are paused and polling goes on, so that the member keeps its place in the group.

Offsets are committed after the effects, never before. A batch that fails for an unexpected reason
is halved until the culprit stands alone. That is a fault of ours, not the record's: it is tried
again, and after STRIKES such failures in a row the brake stops the consumer with nothing of the
batch committed, for a person to look at.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from msgspec import Struct

from libs.messaging import dead_letters
from libs.messaging.backoff import delays
from libs.messaging.cloudevents import Poison
from libs.messaging.dead_letters import DeadLetter
from libs.observability import logging, metrics
from libs.persistence.errors import is_transient

E = TypeVar("E")
R = TypeVar("R")

Record: TypeAlias = Any  # aiokafka's ConsumerRecord, which has no types of its own
Verdict: TypeAlias = Poison | None

STRIKES: Final = 20

_WHAT_TO_DO: Final = (
    "Consuming of this group has stopped, and nothing of the batch is committed. This is a defect "
    "of the service, not of the record: mend it and start the service again; the batch comes again "
    "by itself. See docs/runbooks/brake.md."
)

log = logging.get(__name__)


class Policy(Struct, frozen=True, kw_only=True):
    """The numbers of the policy; times in milliseconds unless named otherwise."""

    max_records: int = 2_000
    # Also how long the loop sleeps after an empty poll, so it bounds the latency of a quiet topic.
    poll_timeout_ms: int = 10
    # How long the broker holds an empty fetch open. It responds immediately once it has
    # `fetch_min_bytes`, so a long wait costs no latency and saves it most of the empty fetches.
    fetch_max_wait_ms: int = 500
    # A consumer that no request waits for lets the broker collect this many bytes, for at most
    # `fetch_max_wait_ms`: one response costs the same for one record as for many.
    fetch_min_bytes: int = 1
    max_poll_interval_ms: int = 300_000
    session_timeout_ms: int = 10_000
    longest_delay_seconds: float = 5.0
    strikes: int = STRIKES


# For consumers that no request waits for; every empty poll costs the broker as much as ten orders.
UNHURRIED: Final = Policy(poll_timeout_ms=100, fetch_max_wait_ms=100, fetch_min_bytes=65_536)


class Braked(Exception):
    """Too many faults of ours in a row: consuming stopped."""


class NotReady(Exception):
    """Why a consumer cannot do its work now."""


class BatchConsumer(Generic[E]):
    """Consumes topics in batches, whose records one handler takes.

    `read` makes an event of a record, `handle` applies a batch of events and answers a verdict for
    each, in order: None where it is done, a Poison where it can never be. Both may raise Poison
    where only one record is concerned.
    """

    def __init__(
        self,
        *,
        topics: Sequence[str],
        group: str,
        service: str,
        read: Callable[[Record], E],
        handle: Callable[[Sequence[E]], Awaitable[Sequence[Verdict]]],
        producer: AIOKafkaProducer,
        policy: Policy | None = None,
    ) -> None:
        self._topics = tuple(topics)
        self._group = group
        self._service = service
        self._read = read
        self._handle = handle
        self._producer = producer
        self._policy = policy or Policy()
        self._subscriber: Any = None
        self._trouble: str | None = None
        self._strikes = 0
        self._done: dict[TopicPartition, int] = {}
        self._stopping: asyncio.Task[None] | None = None

    def register(self, broker: KafkaBroker) -> None:
        """Subscribe at `broker`, which decodes nothing: one bad header would fail a whole batch."""
        self._subscriber = broker.subscriber(
            *self._topics,
            batch=True,
            group_id=self._group,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_records=self._policy.max_records,
            batch_timeout_ms=self._policy.poll_timeout_ms,
            max_poll_interval_ms=self._policy.max_poll_interval_ms,
            session_timeout_ms=self._policy.session_timeout_ms,
            heartbeat_interval_ms=self._policy.session_timeout_ms // 4,
            fetch_max_wait_ms=self._policy.fetch_max_wait_ms,
            fetch_min_bytes=self._policy.fetch_min_bytes,
            parser=_parse,
            decoder=_decode,
        )
        self._subscriber(self.consume)

    async def ready(self) -> None:
        """Raise NotReady while the store is away, the brake is on, or no partition is ours yet."""
        if self._trouble is not None:
            raise NotReady(self._trouble)
        if self._subscriber is None or self._subscriber.consumer is None:
            raise NotReady("not started")

    async def consume(self, records: Sequence[Record]) -> None:
        """Bring every record of a batch to its end, then commit the offsets.

        Raises nothing: the loop that calls this would go on with the next batch, and the offsets of
        that one would cover what was not done here.
        """
        try:
            with metrics.BATCH_SECONDS.labels(self._group).time():
                letters = await self._keeping_place(self._settle(records))
                await self._keeping_place(self._bury(letters))
                await self._commit(records)
        except Braked:
            self._leave()
        except Exception as error:
            self._trouble = f"the delivery itself failed: {error!r}"
            log.critical("brake", group=self._group, what_to_do=_WHAT_TO_DO, exc_info=error)
            self._leave()
        metrics.BATCH_RECORDS.labels(self._group).observe(len(records))

    def _leave(self) -> None:
        """Stop consuming. Leaving from inside the loop that runs us would wait for ourselves."""
        self._stopping = asyncio.create_task(self._subscriber.stop())

    async def left(self) -> None:
        """Wait for the end of leaving, where the brake made it leave."""
        if self._stopping is not None:
            await self._stopping

    # -- one batch

    async def _settle(self, records: Sequence[Record]) -> list[DeadLetter]:
        letters: list[DeadLetter] = []
        pending: list[tuple[Record, E]] = []
        for record in records:
            try:
                pending.append((record, self._read(record)))
            except Poison as poison:
                letters.append(DeadLetter(record, poison))
        for delay in delays(longest=self._policy.longest_delay_seconds):
            pending = await self._try(pending, letters)
            if not pending:
                self._trouble = None
                return letters
            await asyncio.sleep(delay)
        raise AssertionError("delays never end")

    async def _try(
        self, batch: list[tuple[Record, E]], letters: list[DeadLetter]
    ) -> list[tuple[Record, E]]:
        """Apply a batch, and answer what of it must be tried again."""
        if not batch:
            return []
        try:
            verdicts = await self._handle([event for _, event in batch])
        except Exception as error:  # noqa: BLE001  whatever it is, no record may be lost by it
            if is_transient(error):
                self._wait_for_store(error)
                return batch
            if len(batch) == 1:
                self._strike(batch[0][0], error)
                return batch
            middle = len(batch) // 2
            first = await self._try(batch[:middle], letters)
            return first + await self._try(batch[middle:], letters)
        self._strikes = 0
        for (record, _), verdict in zip(batch, verdicts, strict=True):
            if verdict is not None:
                letters.append(DeadLetter(record, verdict))
        return []

    def _wait_for_store(self, error: Exception) -> None:
        if self._trouble is None:
            log.warning("store_away", group=self._group, error=repr(error))
        self._trouble = f"the store is away: {error!r}"
        metrics.CONSUMER_RETRIES.labels(self._group, "transient").inc()

    def _strike(self, record: Record, error: Exception) -> None:
        self._strikes += 1
        metrics.CONSUMER_RETRIES.labels(self._group, "fault").inc()
        place = f"{record.topic}:{record.partition}:{record.offset}"
        log.error("fault", record=place, strikes=self._strikes, exc_info=error)
        if self._strikes >= self._policy.strikes:
            self._trouble = (
                f"the brake is on: {self._strikes} unexpected exceptions in a row, the last at "
                f"{place}: {error!r}"
            )
            log.critical(
                "brake",
                record=place,
                error=repr(error),
                what_to_do=_WHAT_TO_DO,
            )
            raise Braked

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        """Publish the dead letters; Kafka away is waited for."""
        if not letters:
            return
        for delay in delays(longest=self._policy.longest_delay_seconds):
            try:
                await dead_letters.send(self._producer, letters, service=self._service)
            except KafkaError as error:
                self._trouble = f"dead letters cannot be published: {error!r}"
                log.warning("dead_letters_wait", group=self._group, error=repr(error))
                await asyncio.sleep(delay)
            else:
                self._trouble = None
                return

    # -- Kafka's side

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        return consumer

    async def _keeping_place(self, work: Coroutine[Any, Any, R]) -> R:
        """Run `work` while polling goes on: a member that does not poll loses its partitions."""
        task = asyncio.ensure_future(work)
        every = min(self._policy.max_poll_interval_ms / 5_000, 3.0)
        try:
            while not (await asyncio.wait({task}, timeout=every))[0]:
                await self._poll_paused()
            return task.result()
        finally:
            task.cancel()
            if self._consumer is not None:
                self._consumer.resume(*self._consumer.paused())

    async def _poll_paused(self) -> None:
        """Poll without taking anything. A partition assigned meanwhile is not paused yet: what it
        gives is put back."""
        consumer = self._consumer
        consumer.pause(*consumer.assignment())
        for partition, records in (await consumer.getmany(timeout_ms=0)).items():
            consumer.seek(partition, records[0].offset)
            consumer.pause(partition)

    async def _commit(self, records: Sequence[Record]) -> None:
        """Commit what is still ours; what was taken from us comes again elsewhere, and is known."""
        consumer = self._consumer
        if consumer is None:
            return
        ours = consumer.assignment()
        last = {(record.topic, record.partition): record.offset for record in records}
        ends = {
            TopicPartition(*place): offset + 1 for place, offset in last.items() if place in ours
        }
        try:
            if ends:
                await consumer.commit(ends)
        except (KafkaError, ValueError) as error:
            log.warning("offsets_not_committed", group=self._group, error=repr(error))
        self._measure_lag(ends)

    def _measure_lag(self, ends: dict[TopicPartition, int]) -> None:
        self._done |= ends
        ours = self._consumer.assignment()
        lag = dict.fromkeys(self._topics, 0)
        for place, done in self._done.items():
            if place in ours:
                lag[place.topic] += max((self._consumer.highwater(place) or 0) - done, 0)
        for topic, records in lag.items():
            metrics.CONSUMER_LAG.labels(topic, self._group).set(records)


async def _parse(records: Any) -> KafkaMessage:
    batch = records if isinstance(records, tuple) else (records,)
    return KafkaMessage(
        raw_message=batch,
        body=b"",
        message_id=f"{batch[0].offset}-{batch[-1].offset}",
        consumer=None,  # type: ignore[arg-type]  # offsets are committed here, not by the message
    )


async def _decode(message: KafkaMessage) -> Any:
    return message.raw_message
