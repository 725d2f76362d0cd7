"""Runs backtests: each in a process of its own, one at a time per store.

A backtest judges a store's whole history, which takes seconds of computing. In the process that
serves requests it would block the requests of every other store.
"""

import asyncio
import os
import sys
from typing import Final

import msgspec

from libs.contracts.anomalies import BacktestAnswer
from libs.kernel.errors import Fault, InternalError, InvalidRequest, Unavailable
from libs.observability import logging
from libs.persistence.slow_reads import ReadSlots
from services.anomaly.handlers.backtest_worker import MAX_EARNINGS, Outcome, Task

_WORKER: Final = "services.anomaly.handlers.backtest_worker"
# Together less than the gateway's timeout.
_WAIT_SECONDS: Final = 2.0
RUN_SECONDS: Final = 12
_RETRY_AFTER_SECONDS: Final = 3
# Two stores at a time in each process of the service, so that one store leaves room for another.
_TOTAL_SLOTS: Final = 2

_TOO_MANY: Final = (
    f"The days from `from` to `to` have more than {MAX_EARNINGS:,} earnings in total, the most that a "
    "backtest can read. Choose fewer days."
)

log = logging.get(__name__)


class Backtests:
    """Starts a process for each backtest, within the limits above."""

    def __init__(self) -> None:
        self._slots = ReadSlots(
            "backtests",
            requests="backtests",
            total=_TOTAL_SLOTS,
            per_store=1,
            wait_seconds=_WAIT_SECONDS,
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )

    async def run(self, task: Task) -> BacktestAnswer:
        """What the task's settings would have flagged. Raises RateLimited while another backtest of
        the store runs, InvalidRequest for days with too many earnings, and Unavailable where it
        takes too long or the database is unavailable."""
        async with self._slots.acquire(task.store_id):
            outcome = await _run_in_process(task)
        if outcome.busy:
            raise self._slots.rate_limited()
        if outcome.result is None:
            raise InvalidRequest(_TOO_MANY, errors=[Fault(detail=_TOO_MANY, pointer="#/from")])
        return outcome.result


async def _run_in_process(task: Task) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _WORKER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(task.seconds):
            output, _ = await process.communicate(msgspec.json.encode(task))
    except TimeoutError:
        log.warning("backtest_timed_out", store_id=task.store_id, seconds=task.seconds)
        raise Unavailable(
            "The backtest took too long. Choose fewer days, or try again when the service is less busy.",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    code = process.returncode or 0
    if code == os.EX_TEMPFAIL or code < 0:
        log.warning("backtest_interrupted", store_id=task.store_id, exit_code=code)
        raise Unavailable("The backtest was interrupted. Try again in a moment.")
    if code:
        log.error("backtest_failed", store_id=task.store_id, exit_code=code)
        raise InternalError("Something went wrong on our side. It has been logged.")
    return msgspec.json.decode(output, type=Outcome)
