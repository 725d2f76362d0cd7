"""A consumer group's member: polls batches, has them delivered, and commits their offsets.

Offsets are committed after the effects and the dead letters, never before. The commit runs while the next
batch is delivered, since it takes as long as a small batch. While a batch takes long, polling continues
with every partition paused, so that the member stays in its group. `delivery` decides the outcome of each
record. If it stops a partition, the other partitions continue; the stopped one is retried later, from its
first uncommitted record.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextvars import Context
from typing import Any, Final, Generic, TypeVar

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from msgspec import Struct

from libs.background.backoff import delays
from libs.contracts.topics import dead_letter_topic
from libs.messaging import dead_letters, spans
from libs.messaging.dead_letters import DeadLetter, log_fields
from libs.messaging.delivery import (
    Delivery,
    Record,
    RecordOutcome,
    first_offsets,
    offsets_after,
    partition_of,
)
from libs.messaging.look_ahead import LookAhead
from libs.messaging.stopped_partitions import StoppedPartitions
from libs.messaging.watchdog import Watchdog
from libs.observability import logging, metrics

__all__ = ["BACKGROUND", "BatchConsumer", "NotReady", "Policy", "Record", "RecordOutcome"]

E = TypeVar("E")
R = TypeVar("R")

# What a fetch has of each partition: at 250 bytes each, all the records of a poll. While a fetch is read,
# the client has its bytes three times. A batch of records that is larger is returned whole.
_FETCH_BYTES: Final = 512 * 1024
# How long FastStream's loop sleeps after an empty poll; WatchedConsumer sets how long a poll waits.
_SLEEP_MS: Final = 10

log = logging.get(__name__)


class Policy(Struct, frozen=True, kw_only=True):
    """The numbers of the delivery policy."""

    max_records: int = 2_000
    # How long the broker holds an empty fetch open. It responds immediately once there is a record,
    # so a long wait costs no latency and saves an idle system most of its fetches.
    fetch_max_wait_ms: int = 5_000
    # A background consumer lets records collect for this long after each batch, since every batch
    # costs a transaction, however small it is. Below the 100 ms for which aiokafka holds back
    # further fetches of a partition that is not drained.
    pause_seconds: float = 0.0
    max_poll_interval_ms: int = 300_000
    session_timeout_ms: int = 10_000
    longest_delay_seconds: float = 5.0
    # How long a stopped partition waits before its first retry, and at most before later ones.
    stopped_first_seconds: float = 1.0
    stopped_longest_seconds: float = 60.0


# For consumers that no request waits for.
BACKGROUND: Final = Policy(pause_seconds=0.08)


class NotReady(Exception):
    """A consumer does not process records at the moment; the text says why."""


class BatchConsumer(Generic[E]):
    """Consumes topics in batches with one handler.

    `read` decodes a record into an event and may raise Poison; `read_batch` does so for several that are
    as most are (libs/messaging/delivery.py). `handle` applies a batch of events
    and returns an outcome for each, in order: None if it was applied, a Poison if it can never be.
    Without a `producer`, a record that can never be applied is logged and skipped: for topics that have
    no dead letters, because they hold dead letters themselves.
    """

    def __init__(
        self,
        *,
        topics: Sequence[str],
        group: str,
        service: str,
        read: Callable[[Record], E],
        handle: Callable[[Sequence[E]], Awaitable[Sequence[RecordOutcome]]],
        producer: AIOKafkaProducer | None,
        read_batch: Callable[[Sequence[Record]], Sequence[E]] | None = None,
        policy: Policy | None = None,
        look_ahead: LookAhead[E] | None = None,
    ) -> None:
        self.on_commit: Callable[[], None] = lambda: None
        self._topics = tuple(topics)
        self._group = group
        self._service = service
        self._producer = producer
        self._policy = policy or Policy()
        self._look_ahead = look_ahead
        self._delivery = Delivery(
            group=group,
            read=read,
            read_batch=read_batch,
            handle=handle,
            longest_delay_seconds=self._policy.longest_delay_seconds,
        )
        self._subscriber: Any = None
        self._not_ready_reason: str | None = None
        self._watchdog = Watchdog()
        self._stopped = StoppedPartitions(
            first_seconds=self._policy.stopped_first_seconds,
            longest_seconds=self._policy.stopped_longest_seconds,
            resume=self._resume,
        )
        self._failure_delays = delays()
        # The first record of each partition in the batch that is processed at the moment.
        self._in_progress: dict[TopicPartition, int] = {}

    def register(self, broker: KafkaBroker) -> None:
        """Subscribe at `broker`, without its decoding: a single bad header would fail a batch."""
        self._subscriber = broker.subscriber(
            *self._topics,
            batch=True,
            group_id=self._group,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_records=self._policy.max_records,
            batch_timeout_ms=_SLEEP_MS,
            max_poll_interval_ms=self._policy.max_poll_interval_ms,
            session_timeout_ms=self._policy.session_timeout_ms,
            heartbeat_interval_ms=self._policy.session_timeout_ms // 3,
            fetch_max_wait_ms=self._policy.fetch_max_wait_ms,
            max_partition_fetch_bytes=_FETCH_BYTES,
            parser=_parse,
            decoder=_decode,
        )
        self._subscriber(self.consume)
        if self._producer is not None:
            dead_letters.declare_metrics(self._topics)

    # -- readiness

    async def ready(self) -> None:
        """Raise NotReady with the reason if records of these topics are not processed."""
        if self._subscriber is None or self._consumer is None:
            raise NotReady(f"{self._group}: not started")
        consumer = self._consumer
        reasons = [
            self._not_ready_reason or self._delivery.not_ready_reason,
            *self._stopped.reasons(),
            *(
                f"the topic {topic} does not exist"
                for topic in self._topics
                if not consumer.partitions_for_topic(topic)
            ),
            self._watchdog.reason(consumer),
        ]
        for reason in reasons:
            if reason is not None:
                raise NotReady(f"{self._group}: {reason}")

    @property
    def group(self) -> str:
        return self._group

    @property
    def has_stopped(self) -> bool:
        """Whether a partition is stopped, because all of its records fail."""
        return any(True for _ in self._stopped)

    async def report(self) -> None:
        """Measure readiness and lag, also while no batch ends."""
        try:
            await self.ready()
        except NotReady:
            is_ready = False
        else:
            is_ready = True
        metrics.CONSUMER_READY.labels(self._group).set(is_ready)
        next_offsets, end_offsets = await self._offsets()
        in_progress = {
            partition: offset
            for partition, offset in self._in_progress.items()
            if partition in next_offsets
        }
        self._report_lag(next_offsets | in_progress, end_offsets)

    # -- one batch

    async def consume(self, records: Sequence[Record]) -> None:
        """Deliver every record of a batch, then commit the offsets.

        Raises nothing: the loop that calls this would continue with the next batch, whose offsets
        would also cover the records that were not delivered here.
        """
        # In an empty context: FastStream's has the records, and what starts in it would keep them, such as
        # the timer that the database driver runs for minutes for each statement that it prepares.
        await asyncio.create_task(self._consume(records), context=Context())

    async def _consume(self, records: Sequence[Record]) -> None:
        self._in_progress = first_offsets(records)
        with self._watchdog.batch(), spans.consuming(records, group=self._group):
            try:
                with metrics.BATCH_SECONDS.labels(self._group).time():
                    await self._deliver(records)
            except Exception as error:  # noqa: BLE001  whatever it is, the batch is delivered again
                await self._retry(records, error)
            else:
                self._not_ready_reason = None
                self._failure_delays = delays()
                self.on_commit()
        self._in_progress = {}
        metrics.BATCH_RECORDS.labels(self._group).observe(len(records))
        if len(records) < self._policy.max_records:
            await asyncio.sleep(self._policy.pause_seconds)

    async def _deliver(self, records: Sequence[Record]) -> None:
        result = await self._while_polling(self._delivery.deliver(records))
        await self._while_polling(self._publish_dead_letters(result.dead_letters))
        delivered = {
            partition: offset
            for partition, offset in offsets_after(records).items()
            if partition not in result.stopped
        }
        await self._start_commit(delivered)
        self._stop(result.stopped, records)
        self._release(set(delivered))
        await self._report_progress()

    async def _publish_dead_letters(self, batch: Sequence[DeadLetter]) -> None:
        """Publish the dead letters of a batch, with retries until Kafka has stored them."""
        if not batch:
            return
        if self._producer is None:
            for letter in batch:
                code, detail = letter.poison.code, letter.poison.detail
                log.error("record_skipped", code=code, detail=detail, **log_fields(letter.record))
            return
        topics = [dead_letter_topic(letter.record.topic) for letter in batch]
        for delay in delays(longest=self._policy.longest_delay_seconds):
            try:
                with spans.publishing_dead_letters(topics):
                    await dead_letters.publish(self._producer, batch, service=self._service)
            except (KafkaError, OSError) as error:
                if self._not_ready_reason is None:
                    log.warning("dead_letters_retry", group=self._group, error=repr(error))
                self._not_ready_reason = f"dead letters cannot be published: {error!r}"
                await asyncio.sleep(delay)
            else:
                return

    async def _retry(self, records: Sequence[Record], error: Exception) -> None:
        """Have the batch fetched again after a delay: the delivery itself failed."""
        self._not_ready_reason = f"the delivery itself failed: {error!r}"
        log.critical("delivery_failed", group=self._group, exc_info=error)
        self._rewind({partition_of(record) for record in records}, records)
        await asyncio.sleep(next(self._failure_delays))

    # -- stopped partitions

    def _stop(self, reasons: dict[TopicPartition, str], records: Sequence[Record]) -> None:
        """Pause partitions whose records all fail, at the first record of the batch."""
        self._rewind(set(reasons), records)
        for partition, reason in reasons.items():
            if partition in self._assignment():
                self._consumer.pause(partition)
            self._stopped.stop(partition, reason)

    def _rewind(self, partitions: set[TopicPartition], records: Sequence[Record]) -> None:
        """Have the batch's records of these partitions fetched again."""
        first = first_offsets(records)
        for partition in partitions & self._assignment():
            self._consumer.seek(partition, first[partition])

    def _resume(self, partition: TopicPartition) -> None:
        if partition in self._assignment():
            self._consumer.resume(partition)

    def _release(self, delivered: set[TopicPartition]) -> None:
        """Release stopped partitions that were delivered or are now assigned to another member."""
        stopped = set(self._stopped)
        if stopped:
            self._stopped.release(stopped & delivered | stopped - self._assignment())

    # -- the Kafka client

    @property
    def _consumer(self) -> Any:
        """The client; None once it was stopped, which can be in the middle of a batch."""
        return self._subscriber.consumer

    def _assignment(self) -> set[TopicPartition]:
        return set() if self._consumer is None else set(self._consumer.assignment())

    async def _while_polling(self, work: Coroutine[Any, Any, R]) -> R:
        """Run `work` while polling continues: a member that does not poll loses its partitions."""
        task = asyncio.ensure_future(work)
        interval = min(self._policy.max_poll_interval_ms / 5_000, 3.0)
        try:
            while not (await asyncio.wait({task}, timeout=interval))[0]:
                await self._poll_paused()
            return task.result()
        finally:
            task.cancel()
            if self._consumer is not None:
                self._consumer.resume(*(self._consumer.paused() - self._stopped.waiting()))

    async def _poll_paused(self) -> None:
        """Poll without consuming records. A partition that was assigned in the meantime is not
        paused yet: its records are fetched again later."""
        consumer = self._consumer
        consumer.pause(*consumer.assignment())
        for partition, records in (await consumer.getmany(timeout_ms=0)).items():
            consumer.seek(partition, records[0].offset)
            consumer.pause(partition)

    async def _start_commit(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Commit without waiting for Kafka, but once the commit before has ended: offsets only grow."""
        consumer = self._consumer
        if consumer is not None:
            await consumer.end_commit()
            consumer.start_commit(self._commit(next_offsets))

    async def _commit(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Commit the offsets of partitions that are still assigned. The new member of a revoked one
        gets its records again, and recognizes them as duplicates."""
        consumer = self._consumer
        if consumer is None:
            return
        assignment = consumer.assignment()
        still_assigned = {
            partition: offset
            for partition, offset in next_offsets.items()
            if partition in assignment
        }
        try:
            if still_assigned:
                await consumer.commit(still_assigned)
        except (KafkaError, ValueError) as error:
            log.warning("offsets_not_committed", group=self._group, error=repr(error))

    async def _report_progress(self) -> None:
        """Measure the lag, and pass the progress on to the look-ahead. Between batches, the client's
        position in a partition is the next offset to handle."""
        next_offsets, end_offsets = await self._offsets()
        self._report_lag(next_offsets, end_offsets)
        if self._look_ahead is not None:
            self._look_ahead.update(next_offsets, end_offsets)

    async def _offsets(self) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """The client's position in each partition of this process, and the partition's end."""
        consumer = self._consumer
        positions: dict[TopicPartition, int] = {}
        for partition in self._assignment():
            with contextlib.suppress(TimeoutError, KafkaError):
                async with asyncio.timeout(0):
                    positions[partition] = await consumer.position(partition)
        return positions, {partition: consumer.highwater(partition) or 0 for partition in positions}

    def _report_lag(
        self, next_offsets: dict[TopicPartition, int], end_offsets: dict[TopicPartition, int]
    ) -> None:
        lag = dict.fromkeys(self._topics, 0)
        for partition, offset in next_offsets.items():
            lag[partition.topic] += max(end_offsets[partition] - offset, 0)
        for topic, records in lag.items():
            metrics.CONSUMER_LAG.labels(topic, self._group).set(records)

    async def close(self) -> None:
        """Stop the look-ahead; the broker stops the loop that calls `consume`."""
        if self._look_ahead is not None:
            await self._look_ahead.stop()


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
