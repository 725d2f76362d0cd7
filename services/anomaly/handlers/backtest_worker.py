"""`python -m services.anomaly.handlers.backtest_worker`: run one backtest and exit.

Reads a Task from standard input and writes an Outcome to standard output. Exits with EX_TEMPFAIL
where the database is unavailable, and with a traceback after an internal error.
"""

import asyncio
import os
import signal
import sys
from datetime import date
from typing import Final

from msgspec import Struct

from libs.contracts import api
from libs.contracts.anomalies import AnomalySettings, BacktestAnswer
from libs.contracts.numbers import decoder
from libs.persistence.engine import create_engine, snapshot
from libs.persistence.errors import is_transient
from services.anomaly.handlers.backtest import backtest
from services.anomaly.store import earnings

# As many are judged within a few seconds.
MAX_EARNINGS: Final = 500_000
# The process that serves requests has priority.
_NICE: Final = 5
# The advisory locks of backtests, one per store across all processes of the service.
_LOCK_SPACE: Final = 4
_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1, hashtext($2))"


class Task(Struct, frozen=True, kw_only=True):
    """The settings to try, on the days `first` to `last` of a store; `seconds` is the time limit."""

    database_url: str
    seconds: int
    store_id: str
    settings: AnomalySettings
    first: date
    last: date


class Outcome(Struct, frozen=True, kw_only=True):
    """The result of a backtest; without a `result` the days have too many earnings. `busy` where
    another process runs a backtest of the store."""

    result: BacktestAnswer | None = None
    busy: bool = False


async def run(task: Task) -> Outcome:
    """Run the task on a connection of its own."""
    engine = create_engine(task.database_url, name="anomaly backtest", connections=1)
    try:
        async with snapshot(engine) as connection:
            if not await connection.fetchval(_LOCK, _LOCK_SPACE, task.store_id):
                return Outcome(busy=True)
            count = await earnings.count_between(
                connection, task.store_id, first=task.first, last=task.last, limit=MAX_EARNINGS
            )
            if count > MAX_EARNINGS:
                return Outcome()
            result = await backtest(
                connection,
                task.store_id,
                task.settings,
                first=task.first,
                last=task.last,
                count=count,
            )
        return Outcome(result=result)
    finally:
        await engine.dispose()


def main() -> None:
    """Run the task on standard input."""
    os.nice(_NICE)
    task = decoder(Task).decode(sys.stdin.buffer.read())
    # Ends this process also where the one that started it is no longer there to do it.
    signal.alarm(task.seconds)
    try:
        outcome = asyncio.run(run(task))
    except Exception as error:
        if not is_transient(error):
            raise
        sys.exit(os.EX_TEMPFAIL)
    sys.stdout.buffer.write(api.encode(outcome))


if __name__ == "__main__":
    main()
