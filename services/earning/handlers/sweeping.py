"""Sweeping: what is due is posted on accounts on which nobody posts.

Correctness never depends on it: every posting first posts what is due on its account.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.background.periodic import Periodic
from libs.observability import logging, metrics
from libs.persistence.engine import Connection, transaction
from libs.persistence.errors import is_transient
from services.earning.domain.due import CatchUp
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.store import due_accounts, store_visits

log: Final = logging.get(__name__)

# What is due is posted so much later at most, while nothing else waits.
_EVERY_SECONDS: Final = 5.0
# Accounts that are read at a time. Each of the batches they are posted in holds the locks of its part.
_ACCOUNTS: Final = 2_000
# While the database works on one batch, the process works on the other.
_CONCURRENT_BATCHES: Final = 2
# Postings of a batch between which the event loop serves HTTP requests: about 2 ms.
_POSTINGS_PER_STEP: Final = 100
_START: Final = (datetime.min.replace(tzinfo=UTC), 0)


def sweeper(
    engine: AsyncEngine,
    read_engine: AsyncEngine,
    wake_relay: Callable[[], None],
    *,
    every_seconds: float = _EVERY_SECONDS,
) -> Periodic:
    """A background task that posts what is due in all stores. One process sweeps at a time; another one
    takes its place within seconds."""
    current: Sweep | None = None

    async def sweep() -> bool:
        nonlocal current
        async with transaction(read_engine) as connection:
            now = await due_accounts.try_lock(connection)
            if now is None:
                current = None
                return False
            current = current or Sweep(engine)
            has_more = await current.post_next(connection, until=now)
        if current.accounts:
            wake_relay()
        if not has_more:
            _report(current, until=now)
            current = None
        return has_more

    return Periodic("sweep", sweep, every_seconds=every_seconds, is_transient=is_transient)


def _report(sweep: "Sweep", *, until: datetime) -> None:
    metrics.SWEPT.set(until.timestamp())
    if sweep.accounts:
        log.info("swept", accounts=sweep.accounts)


async def post_due(
    engine: AsyncEngine, *, until: datetime, store_id: str | None = None, limit: int = _ACCOUNTS
) -> int:
    """Post what is due when the real time is `until`, which has passed, in all stores or in one; returns the
    number of due accounts."""
    sweep = Sweep(engine, store_id=store_id, limit=limit)
    has_more = True
    while has_more:
        async with transaction(engine) as connection:
            has_more = await sweep.post_next(connection, until=until)
    return sweep.accounts


class Sweep:
    """Posts what is due in all stores or in one, `limit` accounts at a time. Two of them, or one that is
    stopped anywhere and starts over, post nothing twice.

    Each account is visited once, since `due_at` may be earlier than the instant. `accounts` is the number of
    those so far that were due.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        store_id: str | None = None,
        limit: int = _ACCOUNTS,
    ) -> None:
        self.accounts = 0
        self._engine = engine
        self._store_id = store_id
        self._limit = limit
        self._after: tuple[datetime, int] | None = None

    async def post_next(self, connection: Connection, *, until: datetime) -> bool:
        """Post the next batch of the accounts that are due when the real time is `until`, and the next one of a
        store that is visited; returns whether there may be more. Commit `connection` afterwards."""
        self._after = await self._post_accounts(connection, self._after or _START, until)
        is_visiting = await self._visit_store(connection, until)
        return self._after is not None or is_visiting

    async def _post_accounts(
        self, connection: Connection, after: tuple[datetime, int], until: datetime
    ) -> tuple[datetime, int] | None:
        """Post the batch that begins at the place `after`; returns the place of the next one, None after the last
        one."""
        accounts = await due_accounts.read(
            connection, until=until, after=after, limit=self._limit, store_id=self._store_id
        )
        await _post_all(self._engine, [CatchUp(one.store_id, one.customer_id) for one in accounts])
        self.accounts += len(accounts)
        if len(accounts) < self._limit:
            return None
        return accounts[-1].due_at, accounts[-1].id

    async def _visit_store(self, connection: Connection, until: datetime) -> bool:
        visit = await store_visits.find_due(connection, until=until, store_id=self._store_id)
        if visit is None:
            return False
        customers = await store_visits.read_customers(connection, visit, limit=self._limit)
        await _post_all(
            self._engine,
            [CatchUp(visit.store_id, id_) for id_, may_be_due in customers if may_be_due],
        )
        if len(customers) < self._limit:
            await store_visits.end(connection, visit)
        else:
            await store_visits.go_on(connection, visit, after=customers[-1][0])
        return True


async def _post_all(engine: AsyncEngine, visits: Sequence[CatchUp]) -> None:
    """Post what is due on the accounts, in concurrent batches. If one raises, the others are complete."""
    size = max(-(-len(visits) // _CONCURRENT_BATCHES), 1)
    batches = [visits[start : start + size] for start in range(0, len(visits), size)]
    outcomes = await asyncio.gather(
        *(_post(engine, batch) for batch in batches), return_exceptions=True
    )
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


async def _post(engine: AsyncEngine, visits: Sequence[CatchUp]) -> None:
    """Post what is due on the accounts. One that cannot be posted is reported, and does not hold up the others."""
    steps = [
        PostingRequest(visits[start : start + _POSTINGS_PER_STEP])
        for start in range(0, len(visits), _POSTINGS_PER_STEP)
    ]
    try:
        # Hardly ever does anything else post on one of the accounts at that moment.
        await post_batch(engine, steps, optimistic=True)
    except Exception as error:
        if is_transient(error):
            raise
        if len(visits) == 1:
            (visit,) = visits
            log.exception("account_not_swept", store=visit.store_id, customer=visit.customer_id)
            return
        middle = len(visits) // 2
        await _post(engine, visits[:middle])
        await _post(engine, visits[middle:])
    else:
        metrics.SWEPT_ACCOUNTS.inc(len(visits))
