"""What becomes of each record, decided once for every consumer: at least once, nothing lost.

A record ends as one of

- done: the handler committed its effect,
- permanent: it can never work and becomes a dead letter; its neighbors are applied,
- transient: the store is unavailable. The batch is retried for as long as it takes.

An exception while reading a record is the record's fault, whatever it is: `malformed`. A batch that
fails is halved until each failure stands alone. A record whose value the database refuses is
`invalid`. Any other record that fails alone is our defect, and is retried a few times. While other
records succeed it is then quarantined: a dead letter with code `defect`, to be replayed after the
fix. Where none succeeds and many fail, the failure is systematic: their partitions are stopped, with
nothing of them committed, and retried later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

from aiokafka import TopicPartition
from msgspec import Struct

from libs.background.backoff import delays
from libs.contracts.topics import MAX_RECORD_BYTES
from libs.messaging.cloudevents import Poison
from libs.messaging.dead_letters import DeadLetter, place_of
from libs.messaging.fetching import Unreadable
from libs.observability import logging, metrics
from libs.persistence.errors import is_refused_value, is_transient

E = TypeVar("E")

Record: TypeAlias = Any  # aiokafka's ConsumerRecord, which has no types of its own
RecordOutcome: TypeAlias = Poison | None

# A defect can be a glitch; more attempts would only keep the neighbors waiting.
ATTEMPTS: Final = 3
# So many failures with no success anywhere are not the records' own.
SYSTEMATIC: Final = 20

_WHAT_TO_DO: Final = (
    "This is a defect of the service, not of the record: fix it, then replay the dead letter with "
    "`python -m tools dead-letters replay`. See docs/runbooks/quarantine.md."
)

log = logging.get(__name__)


class Delivered(Struct, frozen=True):
    """What came of a batch: its dead letters, and the partitions to stop, each with the reason."""

    letters: Sequence[DeadLetter]
    stopped: dict[TopicPartition, str]


class _Pending(Struct, Generic[E]):
    """A record that is not at its end, and how often it failed alone."""

    record: Record
    event: E
    failures: int = 0
    error: Exception | None = None

    @property
    def partition(self) -> TopicPartition:
        return TopicPartition(self.record.topic, self.record.partition)


class _Row(Struct):
    """Records of a partition that failed alone, one after the other: how many, and how many
    batches had succeeded anywhere when the first of them failed."""

    successes_before: int
    records: int = 0


class Delivery(Generic[E]):
    """Brings batches of records to their end, one batch at a time.

    `read` makes an event of a record; `handle` applies a batch of events and returns a verdict for
    each, in order: None where it is done, a Poison where it never can be. `trouble` says why
    nothing gets done at the moment, or is None.
    """

    def __init__(
        self,
        *,
        group: str,
        read: Callable[[Record], E],
        handle: Callable[[Sequence[E]], Awaitable[Sequence[RecordOutcome]]],
        longest_delay_seconds: float,
        attempts: int = ATTEMPTS,
        systematic: int = SYSTEMATIC,
    ) -> None:
        self._group = group
        self._read = read
        self._handle = handle
        self._longest_delay_seconds = longest_delay_seconds
        self._attempts = attempts
        self._systematic = systematic
        self._successes = 0
        self._failing: dict[TopicPartition, _Row] = {}
        self.trouble: str | None = None

    async def deliver(self, records: Sequence[Record]) -> Delivered:
        """Bring every record to its end, except those of partitions that are to be stopped."""
        letters: list[DeadLetter] = []
        stopped: dict[TopicPartition, str] = {}
        pending = self._read_all(records, letters)
        for delay in delays(longest=self._longest_delay_seconds):
            failed = await self._apply(pending, letters)
            self._report(failed)
            self._stop_where_systematic(failed, stopped)
            failed = [one for one in failed if one.partition not in stopped]
            pending = self._without_quarantined(failed, letters)
            if not pending:
                self.trouble = None
                break
            await asyncio.sleep(delay)
        kept = [one for one in letters if _partition(one.record) not in stopped]
        return Delivered(kept, stopped)

    def _read_all(self, records: Sequence[Record], letters: list[DeadLetter]) -> list[_Pending[E]]:
        pending = []
        for record in records:
            try:
                pending.append(_Pending(record, self._read_one(record)))
            except Poison as poison:
                letters.append(DeadLetter(record, poison))
        return pending

    def _read_one(self, record: Record) -> E:
        """The event in a record; raises Poison and nothing else."""
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
            log.warning("record_not_readable", record=place_of(record), error=repr(error))
            raise Poison("malformed", f"the record cannot be read: {error!r}") from error

    # -- one attempt

    async def _apply(
        self, batch: list[_Pending[E]], letters: list[DeadLetter]
    ) -> list[_Pending[E]]:
        """Apply a batch, and return what of it is not at its end."""
        if not batch:
            return []
        try:
            verdicts = await self._handle([one.event for one in batch])
            found = [
                DeadLetter(one.record, verdict)
                for one, verdict in zip(batch, verdicts, strict=True)
                if verdict is not None
            ]
        except Exception as error:  # noqa: BLE001  whatever it is, no record may be lost by it
            if is_transient(error):
                self._wait_for_store(error)
                return batch
            if len(batch) == 1:
                return self._fail_alone(batch[0], error, letters)
            middle = len(batch) // 2
            first = await self._apply(batch[:middle], letters)
            return first + await self._apply(batch[middle:], letters)
        self._succeed(batch)
        letters += found
        return []

    def _succeed(self, batch: list[_Pending[E]]) -> None:
        self._successes += 1
        if self._failing:
            for one in batch:
                self._failing.pop(one.partition, None)

    def _wait_for_store(self, error: Exception) -> None:
        if self.trouble is None:
            log.warning("store_unavailable", group=self._group, error=repr(error))
        self.trouble = f"the store is unavailable: {error!r}"
        metrics.CONSUMER_RETRIES.labels(self._group, "transient").inc()

    def _fail_alone(
        self, one: _Pending[E], error: Exception, letters: list[DeadLetter]
    ) -> list[_Pending[E]]:
        if is_refused_value(error):
            detail = f"the database refuses a value of this record: {error}"
            letters.append(DeadLetter(one.record, Poison("invalid", detail)))
            return []
        if one.failures == 0:
            self._failing.setdefault(one.partition, _Row(self._successes)).records += 1
        one.failures += 1
        one.error = error
        metrics.CONSUMER_RETRIES.labels(self._group, "defect").inc()
        return [one]

    # -- after an attempt

    def _report(self, failed: Sequence[_Pending[E]]) -> None:
        """Log the first failure; thousands of tracebacks would tell no more, and cost a batch."""
        first = next((one for one in failed if one.error is not None), None)
        if first is not None:
            log.error(
                "records_failed",
                group=self._group,
                records=sum(one.error is not None for one in failed),
                first=place_of(first.record),
                attempt=first.failures,
                exc_info=first.error,
            )

    def _stop_where_systematic(
        self, failed: Sequence[_Pending[E]], stopped: dict[TopicPartition, str]
    ) -> None:
        """Add to `stopped` the partitions where many records in a row failed while none succeeded
        anywhere; a success elsewhere shows that the failures are the records' own."""
        last = {one.partition: one for one in failed if one.error is not None}
        for partition, one in last.items():
            row = self._failing.get(partition)
            if row is None:
                continue
            if row.successes_before < self._successes:
                self._failing[partition] = _Row(self._successes)
            elif row.records >= self._systematic:
                stopped[partition] = (
                    f"{row.records} records in a row failed and none succeeded, the last at "
                    f"{place_of(one.record)}: {one.error!r}"
                )

    def _without_quarantined(
        self, failed: Sequence[_Pending[E]], letters: list[DeadLetter]
    ) -> list[_Pending[E]]:
        """Quarantine what failed too often, and return the rest. Many failures are not attempted
        again: that would keep everybody else waiting."""
        attempts = self._attempts if len(failed) < self._systematic else 1
        for one in failed:
            if one.failures >= attempts:
                letters.append(_quarantined(one))
                log.error(
                    "record_quarantined",
                    record=place_of(one.record),
                    group=self._group,
                    what_to_do=_WHAT_TO_DO,
                )
        return [one for one in failed if one.failures < attempts]


def _quarantined(one: _Pending[E]) -> DeadLetter:
    detail = f"internal error while processing this record: {one.error!r}"
    return DeadLetter(one.record, Poison("defect", detail))


def _partition(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
