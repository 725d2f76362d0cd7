"""`python -m services.anomaly.handlers.backtest_worker`: one backtest, and the end.

Takes a Task on its standard input and writes an Outcome to its standard output. Exits with
EX_TEMPFAIL where the database is unavailable, and with a traceback for a defect.
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
from services.anomaly.handlers import backtesting
from services.anomaly.store import earnings

# What is judged within a few seconds.
MAX_EARNINGS: Final = 500_000
# Requests come first where both want the processor.
_NICE: Final = 5
# The advisory locks of backtests, one per store, whichever process of the service runs it.
_LOCK_SPACE: Final = 4
_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1, hashtext($2))"


class Task(Struct, frozen=True, kw_only=True):
    """What to try, on which days of which store; `seconds` is how long it may take."""

    database_url: str
    seconds: int
    store_id: str
    settings: AnomalySettings
    first: date
    last: date


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of it; without an answer the days have too many earnings. `busy` where another
    process runs a backtest of the store."""

    answer: BacktestAnswer | None = None
    busy: bool = False


async def run(task: Task) -> Outcome:
    """Carry out the task on a connection of its own."""
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
            answer = await backtesting.backtest(
                connection,
                task.store_id,
                task.settings,
                first=task.first,
                last=task.last,
                count=count,
            )
        return Outcome(answer=answer)
    finally:
        await engine.dispose()


def main() -> None:
    """Carry out the task on standard input."""
    os.nice(_NICE)
    task = decoder(Task).decode(sys.stdin.buffer.read())
    # The process that started it may have ended: then nobody waits for this one.
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
