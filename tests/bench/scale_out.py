"""One, two and four earning processes on the partitions of one topic: what an order costs, and who
waits for locks."""

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator
from functools import partial

import psutil
from msgspec import Struct

from tests.bench.backlog import tidy_ledger, work_off_published
from tests.bench.bench import Bench
from tests.bench.cpu import Cpu
from tests.bench.databases import connected, create_program
from tests.bench.figures import Figure
from tests.bench.orders import publish_backlog
from tests.bench.outcome import Outcome, outcome
from tests.bench.turns import in_turns

_PROCESSES = (1, 2, 4)
_SAMPLE_SECONDS = 0.02
# While four processes start, the first of them works off half of a usual backlog.
_BACKLOGS = 2
# A rate says something about the processes only while the machine has time to give them.
_FREE_CORES = 0.9
_BACKENDS = """
SELECT count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting, count(*) AS active
FROM pg_stat_activity WHERE backend_type = 'client backend' AND state <> 'idle' AND usename = 'earning'
"""


class Waits(Struct):
    """Samples of the service's backends in a transaction: all, and those that wait for a lock."""

    active: int = 0
    waiting: int = 0


class Scaled(Struct, frozen=True):
    """One measurement: orders per second, CPU time per order, the lock waits."""

    rate: Figure
    waits: Waits

    @property
    def cpu(self) -> Cpu:
        assert self.rate.cpu is not None
        return self.rate.cpu

    @property
    def busy(self) -> float:
        """The share of the cores that posting took."""
        return self.cpu.total * self.rate.value / (psutil.cpu_count() or 1)

    @property
    def lock_share(self) -> float:
        """The share of the time in transactions that backends wait for locks."""
        return self.waits.waiting / max(self.waits.active, 1)

    def __str__(self) -> str:
        return f"{self.rate} · locks {self.lock_share:.2%} · cores {self.busy:.0%} busy"


async def scale_out(bench: Bench) -> list[Outcome]:
    """CPU time per order of two and of four processes, against one process."""
    await create_program(bench.stack.database("earning", owner=True))

    async def measure(processes: int) -> Scaled:
        await tidy_ledger(bench)
        count = _BACKLOGS * bench.sizes.orders
        await publish_backlog(bench, count)
        async with sampled(bench.stack.addresses.postgres_admin) as waits:
            course = await work_off_published(bench, count, processes=processes)
        return Scaled(course.steady, waits)

    figures = await in_turns(
        bench,
        "scale-out",
        {f"{number} processes": partial(measure, number) for number in _PROCESSES},
    )
    one, *more = (figures[f"{number} processes"] for number in _PROCESSES)
    return [
        outcome(
            f"scale-out, {number} processes",
            [each.rate.per_item for each in scaled],
            [each.rate.per_item for each in one],
            unit="µs/order",
            note=f"{number} processes: {_note(scaled)}; 1 process: {_note(one)}",
        )
        for number, scaled in zip(_PROCESSES[1:], more, strict=True)
    ]


def _note(scaled: list[Scaled]) -> str:
    """PostgreSQL's share, lock waits, and the rate where cores were free."""
    share = statistics.median(each.cpu.postgres / each.cpu.total for each in scaled)
    locks = statistics.median(each.lock_share for each in scaled)
    busy = statistics.median(each.busy for each in scaled)
    rate = statistics.median(each.rate.value for each in scaled)
    speed = f"{rate:,.0f} orders/s" if busy < _FREE_CORES else "cores full"
    return f"PostgreSQL {share:.0%}, lock waits {locks:.1%}, {speed}"


@contextlib.asynccontextmanager
async def sampled(admin: str) -> AsyncIterator[Waits]:
    """Sample the backends of the service until the end; only an administrator sees what they do."""
    waits = Waits()
    async with connected(admin) as connection:

        async def sample() -> None:
            while True:
                row = await connection.fetchrow(_BACKENDS)
                assert row is not None
                waits.active += row["active"]
                waits.waiting += row["waiting"]
                await asyncio.sleep(_SAMPLE_SECONDS)

        sampling = asyncio.create_task(sample())
        try:
            yield waits
        finally:
            sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sampling
