"""The books check: proves the whole ledger again and again, slice by slice, at a low rate."""

import asyncio
import time
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.background.periodic import Periodic
from libs.kernel.clock import utc_now
from libs.observability import logging, metrics
from libs.persistence.engine import transaction
from libs.persistence.errors import is_transient
from services.earning.store import books_check
from services.earning.store.books_check import START, Pass

log: Final = logging.get(__name__)

# After a complete pass, the next one begins this much later.
_REST_SECONDS: Final = 600.0
# A pause is this many times as long as the slice before it: the check takes 2 % of a core at most.
_PAUSE: Final = 49


def books_checker(
    engine: AsyncEngine, *, rest_seconds: float = _REST_SECONDS, pause: float = _PAUSE
) -> Periodic:
    """A background task that checks the books. One process checks at a time; each exports what was
    found. A process that stops leaves the pass to the next one."""

    async def check() -> bool:
        started = time.monotonic()
        pass_, is_complete = await _check_slice(engine)
        _export(pass_)
        if not is_complete:
            await asyncio.sleep(pause * (time.monotonic() - started))
        return not is_complete

    return Periodic("check_books", check, every_seconds=rest_seconds, is_transient=is_transient)


async def _check_slice(engine: AsyncEngine) -> tuple[Pass, bool]:
    """Check the next slice; returns the state of the pass, and whether there is nothing more to check
    now: the pass is complete, or another process is checking."""
    async with transaction(engine, isolation="repeatable_read") as connection:
        is_locked = await books_check.try_lock(connection)
        pass_ = await books_check.read_pass(connection)
        if not is_locked:
            return pass_, True
        slice_ = await books_check.check_slice(connection, pass_.place or START)
        for fault in slice_.faults:
            log.error("ledger_fault", fault=fault)
        pass_ = msgspec.structs.replace(
            pass_, place=slice_.next, faults=pass_.faults + len(slice_.faults)
        )
        if slice_.next is None:
            pass_ = _complete(pass_, utc_now())
        await books_check.write_pass(connection, pass_)
    return pass_, pass_.place is None


def _complete(pass_: Pass, now: datetime) -> Pass:
    return Pass(last_faults=pass_.faults, proven_at=now)


def _export(pass_: Pass) -> None:
    """A fault is reported as soon as it is found, until a complete pass has not found it again."""
    metrics.LEDGER_FAULTS.set(max(pass_.faults, pass_.last_faults))
    metrics.LEDGER_PROVEN.set(0 if pass_.proven_at is None else pass_.proven_at.timestamp())
