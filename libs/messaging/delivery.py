"""The delivery policy, decided once for every consumer: at least once, and no record is lost.

A record ends in one of three ways:

- applied: the handler committed its effect,
- permanent failure: it can never be applied and becomes a dead letter; its neighbors are applied,
- transient failure: the database is unavailable, and the batch is retried until it is available.

Any exception while a record is read is the fault of that record: `malformed`. A batch that fails is
halved until each failing record is isolated. A record with a value that the database refuses is
`invalid`. Any other record that fails alone is a defect of the service, and is retried a few times.
If other records succeed in the meantime, it is then quarantined: a dead letter with code `defect`,
to be replayed after the fix. If many records fail and none succeeds, the failure is systematic:
their partitions are stopped, without committing any of these records, and retried later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

from aiokafka import TopicPartition
from msgspec import Struct

from libs.background.backoff import delays
from libs.contracts.topics import MAX_RECORD_BYTES
from libs.messaging.cloudevents import Poison
from libs.messaging.dead_letters import DeadLetter, log_fields, position_of
from libs.messaging.fetching import Unreadable
from libs.observability import logging, metrics
from libs.persistence.errors import is_refused_value, is_transient

E = TypeVar("E")

Record: TypeAlias = Any  # aiokafka's ConsumerRecord, which has no types of its own
RecordOutcome: TypeAlias = Poison | None
# Topic, partition and offset.
Position = tuple[str, int, int]

# A defect may show only sometimes; more attempts would delay the neighbors.
ATTEMPTS: Final = 3
# This many failures in a row, without a success anywhere, are not the fault of the records.
SYSTEMATIC: Final = 20

# Records decoded in a row, which takes about 2 ms: the event loop serves requests in between.
_READ_TOGETHER: Final = 200

_WHAT_TO_DO: Final = (
    "This is a defect of the service, not of the record: fix it, then replay the dead letter with "
    "`python -m tools dead-letters replay`. See docs/runbooks/quarantine.md."
)

log = logging.get(__name__)


class DeliveryResult(Struct, frozen=True):
    """The dead letters of a batch, and the partitions to stop, each with the reason."""

    dead_letters: Sequence[DeadLetter]
    stopped: dict[TopicPartition, str]


class _Pending(Struct, Generic[E]):
    """A record that is neither applied nor a dead letter yet; `failures` counts how often it failed
    alone."""

    record: Record
    event: E
    failures: int = 0
    error: Exception | None = None

    @property
    def partition(self) -> TopicPartition:
        return partition_of(self.record)


class _FailureRun(Struct):
    """Consecutive records of a partition that failed alone: how many, and how many batches had
    succeeded in any partition when the first of them failed."""

    successes_before: int
    records: int = 0


class Delivery(Generic[E]):
    """Delivers batches of records to a handler, one batch at a time.

    `read` decodes a record into an event. `read_batch`, if there is one, decodes several together, and
    raises any exception if one of them is not as most are; they are then read one by one. `handle`
    applies a batch of events and returns an outcome for each, in order: None if it was applied, a
    Poison if it can never be. `not_ready_reason` says why no record is processed at the moment, or is
    None.
    """

    def __init__(
        self,
        *,
        group: str,
        read: Callable[[Record], E],
        handle: Callable[[Sequence[E]], Awaitable[Sequence[RecordOutcome]]],
        longest_delay_seconds: float,
        read_batch: Callable[[Sequence[Record]], Sequence[E]] | None = None,
        attempts: int = ATTEMPTS,
        systematic: int = SYSTEMATIC,
    ) -> None:
        self._group = group
        self._read = read
        self._read_batch = read_batch
        self._handle = handle
        self._longest_delay_seconds = longest_delay_seconds
        self._attempts = attempts
        self._systematic = systematic
        self._successes = 0
        self._failing: dict[TopicPartition, _FailureRun] = {}
        self.not_ready_reason: str | None = None

    async def deliver(self, records: Sequence[Record]) -> DeliveryResult:
        """Deliver every record, except those of partitions that have to be stopped."""
        dead_letters: list[DeadLetter] = []
        stopped: dict[TopicPartition, str] = {}
        records, events = await self._read_all(records, dead_letters)
        alone: dict[Position, _Pending[E]] = {}
        for delay in delays(longest=self._longest_delay_seconds):
            failed = await self._apply(records, events, alone, dead_letters)
            self._report(failed)
            self._stop_where_systematic(failed, stopped)
            failed = [item for item in failed if item.partition not in stopped]
            pending = self._without_quarantined(failed, dead_letters)
            if not pending:
                self.not_ready_reason = None
                break
            records = [item.record for item in pending]
            events = [item.event for item in pending]
            await asyncio.sleep(delay)
        return DeliveryResult(
            dead_letters=[
                dead_letter
                for dead_letter in dead_letters
                if partition_of(dead_letter.record) not in stopped
            ],
            stopped=stopped,
        )

    async def _read_all(
        self, records: Sequence[Record], dead_letters: list[DeadLetter]
    ) -> tuple[Sequence[Record], list[E]]:
        """The records that can be read, and their events."""
        readable: list[Record] = []
        events: list[E] = []
        for start in range(0, len(records), _READ_TOGETHER):
            await asyncio.sleep(0)
            some = records[start : start + _READ_TOGETHER]
            together = self._read_together(some)
            if together is not None:
                readable += some
                events += together
                continue
            for record in some:
                try:
                    events.append(self._read_one(record))
                    readable.append(record)
                except Poison as poison:
                    dead_letters.append(DeadLetter(record, poison))
        return readable, events

    def _read_together(self, records: Sequence[Record]) -> Sequence[E] | None:
        """The events of the records, or None: reading one by one shows which record is at fault."""
        if self._read_batch is None:
            return None
        try:
            values = [record.value for record in records]
            # A value that is missing, or belongs to an unreadable record, has another type.
            if {*map(type, values)} != {bytes} or max(map(len, values)) > MAX_RECORD_BYTES:
                return None
            return self._read_batch(records)
        except Exception:  # noqa: BLE001  whatever it is, the records are read again
            return None

    def _read_one(self, record: Record) -> E:
        """Decode a record into an event; raises Poison and nothing else."""
        value = record.value
        if isinstance(value, Unreadable):
            raise Poison("malformed", value.reason)
        if value is not None and len(value) > MAX_RECORD_BYTES:
            raise Poison(
                "invalid",
                f"the record has {len(value):,} bytes; {MAX_RECORD_BYTES:,} are allowed",
            )
        try:
            return self._read(record)
        except Poison:
            raise
        except Exception as error:
            log.warning("record_not_readable", error=repr(error), **log_fields(record))
            raise Poison("malformed", f"the record cannot be read: {error!r}") from error

    # -- one attempt

    async def _apply(
        self,
        records: Sequence[Record],
        events: Sequence[E],
        alone: dict[Position, _Pending[E]],
        dead_letters: list[DeadLetter],
    ) -> list[_Pending[E]]:
        """Apply a batch; returns the records that have to be retried. `alone` has those that failed
        alone, in this attempt or before."""
        if not records:
            return []
        try:
            outcomes = await self._handle(events)
            refused = [
                DeadLetter(record, outcome)
                for record, outcome in zip(records, outcomes, strict=True)
                if outcome is not None
            ]
        except Exception as error:  # noqa: BLE001  whatever it is, no record may be lost by it
            if is_transient(error):
                self._wait_for_database(error)
                return [
                    alone.get(_position(record)) or _Pending(record, event)
                    for record, event in zip(records, events, strict=True)
                ]
            if len(records) == 1:
                item = alone.setdefault(_position(records[0]), _Pending(records[0], events[0]))
                return self._fail_alone(item, error, dead_letters)
            middle = len(records) // 2
            first = await self._apply(records[:middle], events[:middle], alone, dead_letters)
            return first + await self._apply(records[middle:], events[middle:], alone, dead_letters)
        self._succeed(records)
        dead_letters += refused
        return []

    def _succeed(self, records: Sequence[Record]) -> None:
        self._successes += 1
        if self._failing:
            for record in records:
                self._failing.pop(partition_of(record), None)

    def _wait_for_database(self, error: Exception) -> None:
        if self.not_ready_reason is None:
            log.warning("database_unavailable", group=self._group, error=repr(error))
        self.not_ready_reason = f"the database is unavailable: {error!r}"
        metrics.CONSUMER_RETRIES.labels(self._group, "transient").inc()

    def _fail_alone(
        self, item: _Pending[E], error: Exception, dead_letters: list[DeadLetter]
    ) -> list[_Pending[E]]:
        if is_refused_value(error):
            detail = f"the database refuses a value of this record: {error}"
            dead_letters.append(DeadLetter(item.record, Poison("invalid", detail)))
            return []
        if item.failures == 0:
            run = self._failing.setdefault(item.partition, _FailureRun(self._successes))
            run.records += 1
        item.failures += 1
        item.error = error
        metrics.CONSUMER_RETRIES.labels(self._group, "defect").inc()
        return [item]

    # -- after an attempt

    def _report(self, failed: Sequence[_Pending[E]]) -> None:
        """Log the first failure: thousands of tracebacks would say no more and delay the batch."""
        first = next((item for item in failed if item.error is not None), None)
        if first is not None:
            log.error(
                "records_failed",
                group=self._group,
                records=sum(item.error is not None for item in failed),
                attempt=first.failures,
                exc_info=first.error,
                **log_fields(first.record),
            )

    def _stop_where_systematic(
        self, failed: Sequence[_Pending[E]], stopped: dict[TopicPartition, str]
    ) -> None:
        """Add to `stopped` the partitions in which many records in a row failed while none
        succeeded in any partition. A success elsewhere shows that the records are at fault."""
        last = {item.partition: item for item in failed if item.error is not None}
        for partition, item in last.items():
            run = self._failing.get(partition)
            if run is None:
                continue
            if run.successes_before < self._successes:
                self._failing[partition] = _FailureRun(self._successes)
            elif run.records >= self._systematic:
                stopped[partition] = (
                    f"{run.records} records in a row failed and none succeeded, the last at "
                    f"{position_of(item.record)}: {item.error!r}"
                )

    def _without_quarantined(
        self, failed: Sequence[_Pending[E]], dead_letters: list[DeadLetter]
    ) -> list[_Pending[E]]:
        """Quarantine the records that failed too often; returns the others. If many failed, they
        are not attempted again: that would delay all other records."""
        attempts = self._attempts if len(failed) < self._systematic else 1
        for item in failed:
            if item.failures >= attempts:
                dead_letters.append(_quarantined(item))
                log.error(
                    "record_quarantined",
                    group=self._group,
                    what_to_do=_WHAT_TO_DO,
                    **log_fields(item.record),
                )
        return [item for item in failed if item.failures < attempts]


def _quarantined(item: _Pending[E]) -> DeadLetter:
    detail = f"internal error while processing this record: {item.error!r}"
    return DeadLetter(item.record, Poison("defect", detail))


def _position(record: Record) -> Position:
    return record.topic, record.partition, record.offset


def partition_of(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def first_offsets(records: Sequence[Record]) -> dict[TopicPartition, int]:
    """The first offset of each partition in a batch, in which a partition's records mostly stand
    together: this runs once per batch, and for each record of it."""
    first: dict[TopicPartition, int] = {}
    topic = partition = None
    for record in records:
        if record.partition != partition or record.topic != topic:
            topic, partition = record.topic, record.partition
            first.setdefault(partition_of(record), record.offset)
    return first


def offsets_after(records: Sequence[Record]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition in a batch."""
    last = first_offsets(records[::-1])
    return {partition: offset + 1 for partition, offset in last.items()}
