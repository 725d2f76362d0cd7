"""Group commit: which requests share a batch, and which callers an error reaches."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from libs.kernel.errors import Unavailable
from libs.persistence.group_commit import GroupCommit


class Batches:
    """Doubles each request; records the batches, and waits for `released` before each."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.released = asyncio.Event()
        self.released.set()
        self.error: Exception = ValueError("invalid")

    async def run(self, requests: Sequence[int]) -> list[int | Exception]:
        """The doubled requests; a ValueError for each 0. Raises `error` for a batch with a -1."""
        self.batches.append(list(requests))
        await self.released.wait()
        if -1 in requests:
            raise self.error
        return [2 * request if request else ValueError("zero") for request in requests]


async def submit_all(
    group_commit: GroupCommit[int, int], requests: Sequence[int]
) -> list[int | BaseException]:
    return await asyncio.gather(
        *(group_commit.submit(request) for request in requests), return_exceptions=True
    )


async def test_requests_that_arrive_together_or_while_a_batch_runs_share_a_batch() -> None:
    batches = Batches()
    batches.released.clear()
    group_commit = GroupCommit(batches.run)
    first = asyncio.create_task(submit_all(group_commit, [1, 2]))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(submit_all(group_commit, [3, 4]))
    await asyncio.sleep(0.01)
    batches.released.set()
    # Starts in the same iteration of the event loop in which the first batch ends.
    same_iteration = asyncio.create_task(group_commit.submit(5))
    assert await first == [2, 4]
    assert await second == [6, 8]
    assert await same_iteration == 10
    assert batches.batches == [[1, 2], [3, 4, 5]]


async def test_a_batch_that_is_smaller_than_the_previous_one_waits_for_more_requests() -> None:
    batches = Batches()
    group_commit = GroupCommit(batches.run, gather_seconds=0.5)
    await submit_all(group_commit, [1, 2])
    first = asyncio.create_task(group_commit.submit(3))
    await asyncio.sleep(0.01)
    assert await group_commit.submit(4) == 8
    assert await first == 6
    assert batches.batches == [[1, 2], [3, 4]]


async def test_neither_a_batch_as_large_as_the_previous_one_nor_a_request_alone_waits() -> None:
    batches = Batches()
    group_commit = GroupCommit(batches.run, gather_seconds=3_600)
    async with asyncio.timeout(60):
        for requests in ([1], [2], [3, 4], [5, 6]):
            await submit_all(group_commit, requests)
    assert batches.batches == [[1], [2], [3, 4], [5, 6]]


async def test_each_caller_gets_its_own_result_or_exception() -> None:
    batches = Batches()
    results = await submit_all(GroupCommit(batches.run), [1, 0, 3])
    assert (results[0], results[2]) == (2, 6)
    assert isinstance(results[1], ValueError)
    assert len(batches.batches) == 1


async def test_a_request_that_fails_its_batch_fails_alone() -> None:
    batches = Batches()
    results = await submit_all(GroupCommit(batches.run), [1, 2, 3, -1, 5])
    assert results == [2, 4, 6, batches.error, 10]


async def test_a_transient_error_fails_the_whole_batch_without_another_run() -> None:
    batches = Batches()
    batches.error = ConnectionError()
    results = await submit_all(GroupCommit(batches.run), [1, -1])
    assert results == [batches.error] * 2
    assert len(batches.batches) == 1


async def test_a_batch_has_at_most_the_maximum_weight() -> None:
    batches = Batches()
    group_commit = GroupCommit(batches.run, max_weight=3)
    submissions = [(1, 1), (2, 2), (3, 1), (4, 9), (5, 1)]
    await asyncio.gather(
        *(group_commit.submit(request, weight=weight) for request, weight in submissions)
    )
    assert batches.batches == [[1, 2], [3], [4], [5]]


async def test_a_full_queue_refuses_requests() -> None:
    batches = Batches()
    group_commit = GroupCommit(batches.run, max_queued=2)
    results = await submit_all(group_commit, [1, 2, 3])
    assert results[:2] == [2, 4]
    assert isinstance(results[2], Unavailable)
    assert await group_commit.submit(4) == 8


async def test_a_request_runs_although_its_caller_is_cancelled() -> None:
    batches = Batches()
    batches.released.clear()
    group_commit = GroupCommit(batches.run)
    cancelled, other = (asyncio.create_task(group_commit.submit(request)) for request in (1, 2))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    batches.released.set()
    assert await other == 4
    assert batches.batches == [[1, 2]]


async def test_stopping_waits_for_all_results() -> None:
    batches = Batches()
    group_commit = GroupCommit(batches.run, max_weight=1)
    tasks = [asyncio.create_task(group_commit.submit(request)) for request in range(1, 4)]
    await asyncio.sleep(0)
    await group_commit.stop()
    assert batches.batches == [[1], [2], [3]]
    assert await asyncio.gather(*tasks) == [2, 4, 6]


@pytest.mark.parametrize(
    ("seconds_ago", "is_recent"),
    [pytest.param(0.5, True, id="recent"), pytest.param(1.5, False, id="a while ago")],
)
async def test_requests_are_recent_for_a_second(
    monkeypatch: pytest.MonkeyPatch, seconds_ago: float, is_recent: bool
) -> None:
    now = 100.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("libs.persistence.group_commit.time", clock)
    group_commit = GroupCommit(Batches().run)
    assert not group_commit.has_recent_requests
    await group_commit.submit(1)
    now += seconds_ago
    assert group_commit.has_recent_requests == is_recent
