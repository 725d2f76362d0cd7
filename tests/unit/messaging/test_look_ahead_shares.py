"""The share of records that one store may have handled ahead of a consumer with a backlog."""

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from libs.messaging import look_ahead
from libs.messaging.look_ahead import _FairShare

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
    return _FairShare(PER_SECOND)


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
    shares.reopen(FIRST, 100)
    assert shares.next_offset(FIRST) == 100
    assert take(shares, FIRST)
    assert not take(shares, SECOND)
