"""Where the look-ahead reads, and the share of records that one store may have handled ahead."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from libs.messaging import look_ahead
from libs.messaging.look_ahead import LookAhead, _FairShare

FIRST, SECOND = TopicPartition("orders", 0), TopicPartition("orders", 1)
PER_SECOND = 3
STORE = b"store_1"


class Clock:
    """A clock that the test moves, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(look_ahead, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def shares(clock: Clock) -> _FairShare:
    shares = _FairShare(PER_SECOND)
    shares.assign([FIRST, SECOND])
    return shares


def take(
    shares: _FairShare,
    partition: TopicPartition = FIRST,
    *,
    store: bytes = STORE,
    key_store: bytes | None = None,
) -> bool:
    return shares.take(partition, store, key_store=key_store or store)


def exhaust(shares: _FairShare, partition: TopicPartition = FIRST) -> None:
    """Use the store's share; one more record is then skipped."""
    results = [take(shares, partition) for _ in range(PER_SECOND + 1)]
    assert results == [True] * PER_SECOND + [False]


def test_a_store_may_use_its_share_per_second(shares: _FairShare, clock: Clock) -> None:
    assert all(take(shares) for _ in range(PER_SECOND))
    clock.now += 1
    assert all(take(shares) for _ in range(PER_SECOND))


def test_an_unused_share_does_not_accumulate(shares: _FairShare, clock: Clock) -> None:
    assert take(shares)
    clock.now += 3_600
    exhaust(shares)


def test_a_store_over_its_share_is_closed_even_when_the_share_is_renewed(
    shares: _FairShare, clock: Clock
) -> None:
    """A record was skipped: a later record of the store must not be handled before it."""
    exhaust(shares)
    clock.now += 60
    assert STORE in shares.closed_stores(FIRST)
    assert not take(shares)


def test_a_closed_store_stays_closed_under_the_key_of_another_store(
    shares: _FairShare, clock: Clock
) -> None:
    exhaust(shares)
    clock.now += 60
    assert not take(shares, key_store=b"forged")
    # Closed under that key too, so that its records are no longer read.
    assert b"forged" in shares.closed_stores(FIRST)


def test_a_store_over_its_share_closes_the_key_that_it_was_sent_with(shares: _FairShare) -> None:
    results = [take(shares, key_store=b"forged") for _ in range(PER_SECOND + 1)]
    assert results == [True] * PER_SECOND + [False]
    assert b"forged" in shares.closed_stores(FIRST)


def test_a_store_is_closed_in_one_partition_only(shares: _FairShare, clock: Clock) -> None:
    exhaust(shares)
    clock.now += 60
    assert take(shares, SECOND)


def test_a_store_over_its_share_does_not_close_other_stores(shares: _FairShare) -> None:
    exhaust(shares)
    assert take(shares, store=b"store_2")


def test_a_store_opens_again_when_the_consumer_reaches_the_partition(
    shares: _FairShare, clock: Clock
) -> None:
    exhaust(shares, FIRST)
    clock.now += 60
    exhaust(shares, SECOND)
    clock.now += 60
    shares.reopen(FIRST)
    assert take(shares, FIRST)
    assert not take(shares, SECOND)


def test_a_store_that_is_closed_in_all_partitions_need_not_be_read(
    shares: _FairShare, clock: Clock
) -> None:
    exhaust(shares, FIRST)
    clock.now += 60
    assert shares.closed_everywhere() == set()
    exhaust(shares, SECOND)
    assert shares.closed_everywhere() == {STORE}
    shares.reopen(SECOND)
    assert shares.closed_everywhere() == set()


class FakeConsumer:
    """The look-ahead's own consumer: its assignment, its positions, and the last seeks."""

    def __init__(self) -> None:
        self.partitions: list[TopicPartition] = []
        self.positions: dict[TopicPartition, int] = {}
        self.seeks: dict[TopicPartition, int] = {}

    def assignment(self) -> set[TopicPartition]:
        return set(self.partitions)

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.partitions = partitions

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = self.seeks[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]


class Ahead:
    """A look-ahead whose reads the test makes; `events_read` counts the records that were decoded."""

    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.events_read = 0
        self._look_ahead: LookAhead[str] = LookAhead(
            "unused",
            group="earning",
            read=self._read,
            handle=None,  # type: ignore[arg-type]
            store_of=lambda store: store,
            backlog_records=1_000_000,
            store_records_per_second=PER_SECOND,
        )

    def _read(self, record: Any) -> str:
        self.events_read += 1
        return str(record.key.decode())

    async def follow(self, **next_offsets: int) -> None:
        """The group's consumer is at these offsets of the partitions p0 and p1."""
        partitions = {"p0": FIRST, "p1": SECOND}
        offsets = {partitions[name]: offset for name, offset in next_offsets.items()}
        self._look_ahead.update(offsets, offsets)
        await self._look_ahead._follow(self.consumer)

    def read(self, first: int, count: int) -> int:
        """Read records of the store from the first partition; returns how many are handled ahead."""
        self.consumer.positions[FIRST] = first + count
        records = [SimpleNamespace(key=STORE, offset=first + number) for number in range(count)]
        return len(self._look_ahead._select(FIRST, records))


@pytest.fixture
def ahead(clock: Clock) -> Ahead:
    return Ahead()


async def test_reading_starts_at_the_offset_of_the_group(ahead: Ahead) -> None:
    await ahead.follow(p0=100, p1=7)
    assert ahead.consumer.seeks == {FIRST: 100, SECOND: 7}


async def test_reading_continues_ahead_of_the_group(ahead: Ahead) -> None:
    await ahead.follow(p0=100)
    ahead.read(100, 2)
    ahead.consumer.seeks.clear()
    await ahead.follow(p0=101)
    assert ahead.consumer.seeks == {}


async def test_reading_skips_what_the_group_has_handled_and_opens_the_stores(
    ahead: Ahead, clock: Clock
) -> None:
    await ahead.follow(p0=0)
    assert ahead.read(0, PER_SECOND + 1) == PER_SECOND
    clock.now += 60
    assert ahead.read(PER_SECOND + 1, 1) == 0
    await ahead.follow(p0=500)
    assert ahead.consumer.seeks == {FIRST: 500}
    assert ahead.read(500, 1) == 1


async def test_reading_follows_a_new_assignment_of_the_group(ahead: Ahead) -> None:
    await ahead.follow(p0=0)
    ahead.read(0, 50)
    await ahead.follow(p1=9)
    assert ahead.consumer.partitions == [SECOND]
    await ahead.follow(p0=10, p1=9)
    assert ahead.consumer.seeks[FIRST] == 10


async def test_records_of_a_closed_store_are_not_even_decoded(ahead: Ahead) -> None:
    await ahead.follow(p0=0)
    ahead.read(0, 1_000)
    assert ahead.events_read == PER_SECOND + 1
