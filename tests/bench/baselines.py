"""P13: what others need for the same orders: one transaction per order, a durable workflow per order."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from libs.contracts.topics import ORDER_COMPLETED
from libs.testing.eventually import eventually
from tests.bench.backlog import tidy_ledger, work_off
from tests.bench.bench import Bench
from tests.bench.databases import Second, connected, create_program
from tests.bench.figures import Figure
from tests.bench.outcome import Outcome, outcome
from tests.bench.turns import in_turns
from tests.support import ROOT

# The Python of an environment that has DBOS.
DBOS_PYTHON = "BENCH_DBOS_PYTHON"
_PROCESSES = 2
# Until both processes have their partitions.
_SETTLE_SECONDS = 5
_COUNT = "SELECT count(*) FROM orders"


async def p13_one_per_order(bench: Bench) -> list[Outcome]:
    """P13: our rate over that of others that consume the same orders; they get some seconds of each
    round, since they would need minutes for all."""
    await create_program(bench.stack.database("earning", owner=True))

    async def ours() -> Figure:
        await tidy_ledger(bench)
        return (await work_off(bench)).steady

    names = {"P13 one transaction per order": await _ordinary(bench)}
    if (dbos := await _dbos(bench)) is not None:
        names["P13 DBOS"] = dbos
    figures = await in_turns(bench, "P13", {"ours": ours, **names})
    return [outcome(name, figures["ours"], figures[name], unit="orders/s") for name in names]


async def _ordinary(bench: Bench) -> Callable[[], Awaitable[Figure]]:
    ledger = (await Second(bench.stack, "ordinary").create()).owner
    words = (
        *(sys.executable, "-m", "tests.bench.ordinary_consumer"),
        *(_with_driver(ledger, "asyncpg"), bench.stack.kafka, ORDER_COMPLETED),
    )
    return lambda: _measure(bench, ledger, [words] * _PROCESSES)


async def _dbos(bench: Bench) -> Callable[[], Awaitable[Figure]] | None:
    """None, and a line, where DBOS is not installed."""
    python = os.environ.get(DBOS_PYTHON, sys.executable)
    check = await asyncio.create_subprocess_exec(
        *(python, "-c", "import dbos, confluent_kafka"), stderr=asyncio.subprocess.DEVNULL
    )
    if await check.wait():
        bench.display.line(
            f"  P13 DBOS: skipped, since {python} has no dbos; docs/benchmarks.md says how to install it"
        )
        return None
    ledger = (await Second(bench.stack, "dbos_ledger").create()).owner
    # DBOS creates its system database itself, and a schema in the ledger's.
    admin = bench.stack.addresses.postgres_admin
    addresses = [
        _with_driver(f"{admin.rpartition('/')[0]}/{name}", "psycopg")
        for name in ("dbos_ledger", "dbos_system")
    ]
    words = [
        (
            *(python, "-m", "tests.bench.dbos_consumer", *addresses),
            *(bench.stack.kafka, ORDER_COMPLETED, f"bench-{number}"),
        )
        for number in range(_PROCESSES)
    ]
    return lambda: _measure(bench, ledger, words)


def _with_driver(url: str, driver: str) -> str:
    return url.replace("postgresql://", f"postgresql+{driver}://")


async def _measure(bench: Bench, ledger: str, commands: Sequence[Sequence[str]]) -> Figure:
    """Orders per second that the consumers post into `ledger`, once the first ones are posted."""
    async with connected(ledger) as connection, _running(commands) as pids:
        begin = await connection.fetchval(_COUNT)

        async def has_begun() -> bool:
            return bool(await connection.fetchval(_COUNT) > begin)

        await eventually(has_begun, within_seconds=120)
        await asyncio.sleep(_SETTLE_SECONDS)
        meter = bench.meter(*pids)
        before, first, started = (
            meter.read(),
            await connection.fetchval(_COUNT),
            time.perf_counter(),
        )
        with bench.display.step("a baseline", bench.sizes.baseline_seconds) as advance:
            while (elapsed := time.perf_counter() - started) < bench.sizes.baseline_seconds:
                advance(elapsed)
                await asyncio.sleep(0.5)
        count = await connection.fetchval(_COUNT) - first
        elapsed = time.perf_counter() - started
        cpu = meter.read() - before
    assert count, "the baseline has posted nothing: the backlog may be too small for it"
    return Figure(count / elapsed, cpu.per(count))


@contextlib.asynccontextmanager
async def _running(commands: Sequence[Sequence[str]]) -> AsyncIterator[list[int]]:
    """The processes of these commands; returns their pids."""
    processes = [
        await asyncio.create_subprocess_exec(
            *words, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        for words in commands
    ]
    try:
        yield [one.pid for one in processes]
    finally:
        for one in processes:
            with contextlib.suppress(ProcessLookupError):
                one.kill()
            await one.wait()
