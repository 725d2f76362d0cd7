"""Backtests over a long history: bounded, one at a time per store, and outside the serving loop."""

import asyncio
import time
from collections import Counter
from datetime import date

import asyncpg
import msgspec
import pytest

from libs.contracts.anomalies import AnomalySettings, RapidEarning
from libs.kernel.errors import InvalidRequest, RateLimited, Unavailable
from services.anomaly.handlers import backtest_worker, backtests
from services.anomaly.handlers.backtest_worker import Outcome, Task
from services.anomaly.handlers.backtests import Backtests
from tests.integration.conftest import Database, empty_database
from tests.support import Stack

# 100 customers earn each day, one of them ten times within a minute.
DAYS, CUSTOMERS = 60, 100
_FILL = """
INSERT INTO earnings (store_id, customer_id, occurred_at, id, points, revision)
SELECT $1, 'cust_' || c, timestamptz '2026-01-01 12:00Z' + d * interval '1 day' + c * interval '1 s',
       gen_random_uuid(), 100 + (c * 7 + d) % 50, 0
FROM generate_series(0, $2::int - 1) d, generate_series(0, $3::int - 1) c
"""
_BURST = """
INSERT INTO earnings (store_id, customer_id, occurred_at, id, points, revision)
SELECT $1, 'cust_0', timestamptz '2026-01-10 15:00Z' + n * interval '1 s', gen_random_uuid(), 5, 0
FROM generate_series(1, 10) n
"""


@pytest.fixture
async def database(stack: Stack, unique: str) -> Database:
    database = await empty_database(stack, "anomaly", unique)
    connection = await asyncpg.connect(database.owner_url)
    for store in ("store_1", "store_2"):
        await connection.execute(_FILL, store, DAYS, CUSTOMERS)
        await connection.execute(_BURST, store)
    await connection.execute("ANALYZE")
    await connection.close()
    return database


def task(database: Database, store_id: str = "store_1") -> Task:
    return Task(
        database_url=database.url,
        # The tests run on busy machines; what they try is not how fast one is.
        seconds=60,
        store_id=store_id,
        settings=AnomalySettings(rapid_earning=RapidEarning(count=10, window_seconds=60)),
        first=date(2026, 1, 1),
        last=date(2026, 12, 31),
    )


async def test_a_backtest_in_its_own_process_says_what_it_says_in_ours(database: Database) -> None:
    apart = await Backtests().run(task(database))
    assert Outcome(result=apart) == await backtest_worker.run(task(database))
    assert apart.earnings == DAYS * CUSTOMERS + 10
    rapid = next(one for one in apart.detectors if one.type == "rapid_earning")
    assert (rapid.flagged, rapid.customers, rapid.points_involved) == (1, 1, 50)


async def test_a_store_has_one_backtest_at_a_time_and_leaves_room_for_another_store(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtests, "_WAIT_SECONDS", 0.05)
    running = Backtests()
    tasks = [task(database)] * 8 + [task(database, "store_2")]
    outcomes = await asyncio.gather(*(running.run(one) for one in tasks), return_exceptions=True)
    kinds = Counter(type(one).__name__ for one in outcomes[:8])
    assert kinds == {"BacktestAnswer": 1, "RateLimited": 7}
    assert type(outcomes[8]).__name__ == "BacktestAnswer"
    refused = next(one for one in outcomes if isinstance(one, RateLimited))
    assert (refused.retry_after_seconds, refused.rate_limit) == (3, '"backtests";r=0;t=3')


async def test_one_that_runs_in_another_process_of_the_service_counts_too(
    database: Database,
) -> None:
    connection = await asyncpg.connect(database.url)
    await connection.execute("BEGIN")
    await connection.execute("SELECT pg_advisory_xact_lock(4, hashtext('store_1'))")
    with pytest.raises(RateLimited):
        await Backtests().run(task(database))
    assert (await Backtests().run(task(database, "store_2"))).earnings
    await connection.close()


async def test_one_that_takes_too_long_is_ended(database: Database) -> None:
    with pytest.raises(Unavailable, match="fewer days"):
        await Backtests().run(msgspec.structs.replace(task(database), seconds=0))


async def test_days_with_too_many_earnings_are_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest_worker, "MAX_EARNINGS", DAYS * CUSTOMERS)
    assert await backtest_worker.run(task(database)) == Outcome()

    async def outcome(_task: Task) -> Outcome:
        return Outcome()

    monkeypatch.setattr(backtests, "_run_in_process", outcome)
    with pytest.raises(InvalidRequest) as refused:
        await Backtests().run(task(database))
    assert refused.value.errors[0].pointer == "#/from"


async def test_the_judging_is_not_done_by_the_process_that_serves(database: Database) -> None:
    """Processor time, which does not depend on how busy the machine is."""
    started = time.process_time()
    await backtest_worker.run(task(database))
    judging = time.process_time() - started
    started = time.process_time()
    await Backtests().run(task(database))
    serving = time.process_time() - started
    print("judging", judging, "s, serving", serving, "s")
    assert serving < judging / 3
