"""A consumer group's member: polls batches, has them delivered, and commits their offsets.

Offsets are committed after the effects and the dead letters, never before. Polling goes on while a
batch takes long, with everything paused, so that the member keeps its place in the group. What
becomes of each record is decided in `delivery`; where that stops a partition, the others go on and
it is retried later, from the first record that is not committed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Generic, TypeVar

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from msgspec import Struct

from libs.background.backoff import delays
from libs.messaging import dead_letters
from libs.messaging.dead_letters import DeadLetter
from libs.messaging.delivery import Delivery, Record, RecordOutcome
from libs.messaging.look_ahead import LookAhead
from libs.messaging.stopped_partitions import StoppedPartitions, name_of
from libs.observability import logging, metrics

__all__ = ["BACKGROUND", "BatchConsumer", "NotReady", "Policy", "Record", "RecordOutcome"]

E = TypeVar("E")
R = TypeVar("R")

# How long FastStream's loop sleeps after an empty poll; see WatchedConsumer for the poll's own wait.
_SLEEP_MS: Final = 10
# Without a completed poll, or a fetch of a partition, for so long a member does no work.
_SILENCE_SECONDS: Final = 15.0
# A batch makes progress, is retried with a reason, or hangs.
_BATCH_SECONDS: Final = 60.0

log = logging.get(__name__)


class Policy(Struct, frozen=True, kw_only=True):
    """The numbers of the policy; times in milliseconds unless named otherwise."""

    max_records: int = 2_000
    # How long the broker holds an empty fetch open. It responds immediately once there is a record,
    # so a long wait costs no latency and saves an idle system most of its fetches.
    fetch_max_wait_ms: int = 2_000
    # A consumer that no request waits for lets records collect for so long after each batch, since
    # a batch costs a transaction however small it is. Below the 100 ms for which aiokafka holds back
    # further fetches of a partition that is not drained.
    pause_seconds: float = 0.0
    max_poll_interval_ms: int = 300_000
    session_timeout_ms: int = 10_000
    longest_delay_seconds: float = 5.0
    # How long a stopped partition waits before it is retried, longer each time.
    stopped_first_seconds: float = 1.0
    stopped_longest_seconds: float = 60.0


# For consumers that no request waits for.
BACKGROUND: Final = Policy(pause_seconds=0.08)


class NotReady(Exception):
    """Why a consumer cannot do its work now."""


class BatchConsumer(Generic[E]):
    """Consumes topics in batches, whose records one handler takes.

    `read` makes an event of a record, `handle` applies a batch of events and returns a verdict for
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
        handle: Callable[[Sequence[E]], Awaitable[Sequence[RecordOutcome]]],
        producer: AIOKafkaProducer,
        policy: Policy | None = None,
        look_ahead: LookAhead[E] | None = None,
    ) -> None:
        self.on_done: Callable[[], None] = lambda: None
        self._topics = tuple(topics)
        self._group = group
        self._service = service
        self._producer = producer
        self._policy = policy or Policy()
        self._look_ahead = look_ahead
        self._delivery = Delivery(
            group=group,
            read=read,
            handle=handle,
            longest_delay_seconds=self._policy.longest_delay_seconds,
        )
        self._subscriber: Any = None
        self._trouble: str | None = None
        self._busy_since: float | None = None
        self._done: dict[TopicPartition, int] = {}
        self._stopped = StoppedPartitions(
            first_seconds=self._policy.stopped_first_seconds,
            longest_seconds=self._policy.stopped_longest_seconds,
            resume=self._resume,
        )
        self._failure_delays = delays()

    def register(self, broker: KafkaBroker) -> None:
        """Subscribe at `broker`, which decodes nothing: one bad header would fail a whole batch."""
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
            heartbeat_interval_ms=self._policy.session_timeout_ms // 4,
            fetch_max_wait_ms=self._policy.fetch_max_wait_ms,
            parser=_parse,
            decoder=_decode,
        )
        self._subscriber(self.consume)

    # -- readiness

    async def ready(self) -> None:
        """Raise NotReady where records of these topics are not processed, and say why."""
        if self._subscriber is None or self._consumer is None:
            raise NotReady(f"{self._group}: not started")
        consumer = self._consumer
        reasons = [
            self._trouble or self._delivery.trouble,
            *self._stopped.reasons(),
            *(
                f"the topic {topic} does not exist"
                for topic in self._topics
                if not consumer.partitions_for_topic(topic)
            ),
            self._silence(consumer),
        ]
        for reason in reasons:
            if reason is not None:
                raise NotReady(f"{self._group}: {reason}")

    def _silence(self, consumer: Any) -> str | None:
        """Why nothing seems to happen at all, or None."""
        now = time.monotonic()
        if self._busy_since is not None:
            busy = now - self._busy_since
            return f"a batch has taken {busy:.0f} s" if busy > _BATCH_SECONDS else None
        silent = now - consumer.polled_at
        if silent > _SILENCE_SECONDS:
            return f"no poll has completed for {silent:.0f} s"
        for place in consumer.assignment() - consumer.paused():
            fetched = consumer.last_poll_timestamp(place)
            if fetched is not None and time.time() - fetched / 1_000 > _SILENCE_SECONDS:
                return f"Kafka has not returned a fetch of {name_of(place)} for too long"
        return None

    # -- one batch

    async def consume(self, records: Sequence[Record]) -> None:
        """Bring every record of a batch to its end, then commit the offsets.

        Raises nothing: the loop that calls this would go on with the next batch, and the offsets of
        that one would cover what was not done here.
        """
        self._busy_since = time.monotonic()
        try:
            with metrics.BATCH_SECONDS.labels(self._group).time():
                delivered = await self._while_polling(self._delivery.deliver(records))
                await self._while_polling(self._publish_dead_letters(delivered.letters))
                done = [one for one in records if _place(one) not in delivered.stopped]
                await self._commit(done)
                self._stop(delivered.stopped, records)
                self._release(done)
        except Exception as error:  # noqa: BLE001  whatever it is, the batch is delivered again
            await self._retry(records, error)
        else:
            self._trouble = None
            self._failure_delays = delays()
            self.on_done()
        finally:
            self._busy_since = None
        metrics.BATCH_RECORDS.labels(self._group).observe(len(records))
        if len(records) < self._policy.max_records:
            await asyncio.sleep(self._policy.pause_seconds)

    async def _publish_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Publish the dead letters, once Kafka takes them."""
        if not letters:
            return
        for delay in delays(longest=self._policy.longest_delay_seconds):
            try:
                await dead_letters.publish(self._producer, letters, service=self._service)
            except (KafkaError, OSError) as error:
                if self._trouble is None:
                    log.warning("dead_letters_retry", group=self._group, error=repr(error))
                self._trouble = f"dead letters cannot be published: {error!r}"
                await asyncio.sleep(delay)
            else:
                return

    async def _retry(self, records: Sequence[Record], error: Exception) -> None:
        """Have the batch fetched again, a little later: the delivery itself failed."""
        self._trouble = f"the delivery itself failed: {error!r}"
        log.critical("delivery_failed", group=self._group, exc_info=error)
        self._rewind({_place(one) for one in records}, records)
        await asyncio.sleep(next(self._failure_delays))

    # -- stopped partitions

    def _stop(self, reasons: dict[TopicPartition, str], records: Sequence[Record]) -> None:
        """Pause partitions whose records all fail, before the first record of the batch."""
        self._rewind(set(reasons), records)
        for place, reason in reasons.items():
            if place in self._assignment():
                self._consumer.pause(place)
            self._stopped.stop(place, reason)

    def _rewind(self, places: set[TopicPartition], records: Sequence[Record]) -> None:
        """Have the partitions' part of a batch fetched again."""
        first: dict[TopicPartition, int] = {}
        for record in records:
            first.setdefault(_place(record), record.offset)
        for place in places & self._assignment():
            self._consumer.seek(place, first[place])

    def _resume(self, place: TopicPartition) -> None:
        if place in self._assignment():
            self._consumer.resume(place)

    def _release(self, done: Sequence[Record]) -> None:
        """Partitions with a batch done, and those of another member by now, are not stopped."""
        stopped = set(self._stopped)
        if stopped:
            done_places = {_place(one) for one in done}
            self._stopped.release(stopped & done_places | stopped - self._assignment())

    # -- Kafka's side

    @property
    def _consumer(self) -> Any:
        """The client; None once it was stopped, also in the middle of a batch."""
        return self._subscriber.consumer

    def _assignment(self) -> set[TopicPartition]:
        return set() if self._consumer is None else set(self._consumer.assignment())

    async def _while_polling(self, work: Coroutine[Any, Any, R]) -> R:
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
                self._consumer.resume(*(self._consumer.paused() - self._stopped.waiting()))

    async def _poll_paused(self) -> None:
        """Poll without taking anything. A partition assigned meanwhile is not paused yet: what it
        returns is put back."""
        consumer = self._consumer
        consumer.pause(*consumer.assignment())
        for partition, records in (await consumer.getmany(timeout_ms=0)).items():
            consumer.seek(partition, records[0].offset)
            consumer.pause(partition)

    async def _commit(self, records: Sequence[Record]) -> None:
        """Commit what is still ours; what was revoked is delivered elsewhere, and known there."""
        consumer = self._consumer
        if consumer is None:
            return
        ours = consumer.assignment()
        last = {_place(record): record.offset for record in records}
        ends = {place: offset + 1 for place, offset in last.items() if place in ours}
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
        if self._look_ahead is not None:
            places = self._done.keys() & ours
            self._look_ahead.update(
                {place: self._done[place] for place in places},
                {place: self._consumer.highwater(place) or 0 for place in places},
            )

    async def close(self) -> None:
        """End what runs beside the loop; the broker ends the loop."""
        if self._look_ahead is not None:
            await self._look_ahead.stop()


def _place(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


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
