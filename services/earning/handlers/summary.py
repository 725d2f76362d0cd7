"""The summary of a store: its days, points outstanding, customers and tiers."""

import time
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.background.periodic import Periodic
from libs.persistence.engine import Connection, transaction
from libs.persistence.errors import is_transient
from libs.persistence.slow_reads import SlowReads
from services.earning.domain.tiers import tier_spans
from services.earning.store import days, pending_lists, programs

# A summary may be five seconds old: the fold runs every second, totals are cached for three.
_FOLD_SECONDS: Final = 1.0
_TOTALS_SECONDS: Final = 3.0
_MAX_CACHED_STORES: Final = 1_000


class Totals(Struct, frozen=True):
    """A store's points outstanding, those that wait, and customers, also by the name of their tier and by the
    day on which they joined."""

    points: int
    pending_points: int
    customers: int
    customers_by_tier: dict[str, int]
    joined: dict[date, int]


class Summary(Struct, frozen=True):
    """The rows of the days, the current totals, and the first and last day with postings ever."""

    days: Sequence[Any]
    totals: Totals
    first_day: date | None
    last_day: date | None


class _CachedTotals(Struct, frozen=True):
    totals: Totals
    expires_at: float


class Summaries:
    """Reads summaries. The totals count all customers of a store, so concurrent callers share one
    count."""

    def __init__(self, reads: SlowReads) -> None:
        self._reads = reads
        self._cache: dict[str, _CachedTotals] = {}

    async def get(self, store_id: str, *, first: date, last: date) -> Summary:
        """The summary of the days from `first` to `last`, both included."""
        async with self._reads.snapshot(store_id) as connection:
            # Looked up only now: the caller that had the turn before may have counted.
            cached = self._cache.get(store_id)
            rows = await days.read(connection, store_id, first=first, last=last)
            first_day, last_day = await days.read_range(connection, store_id)
            if cached is None or cached.expires_at < time.monotonic():
                totals = await _count(connection, store_id)
                cached = _CachedTotals(totals, time.monotonic() + _TOTALS_SECONDS)
                self._store(store_id, cached)
        return Summary(rows, cached.totals, first_day, last_day)

    def _store(self, store_id: str, totals: _CachedTotals) -> None:
        # Expired totals have a number for every day, which is too much to hold for every store.
        now = time.monotonic()
        self._cache = {key: each for key, each in self._cache.items() if each.expires_at > now}
        self._cache.pop(store_id, None)
        self._cache[store_id] = totals
        while len(self._cache) > _MAX_CACHED_STORES:
            del self._cache[next(iter(self._cache))]


async def _count(connection: Connection, store_id: str) -> Totals:
    in_force = (await programs.read(connection, [store_id])).get(store_id)
    default = None if in_force is None else in_force.default
    spans = tier_spans(default)
    rows = await days.count_customers(connection, store_id, spans)
    by_tier = [row for row in rows if row["span"] is not None]
    customers = {row["span"]: row["customers"] for row in by_tier}
    pending_points = 0
    if in_force is not None and in_force.has_lifecycle:
        pending_points = await pending_lists.sum_points(connection, store_id)
    return Totals(
        points=sum(row["points"] for row in by_tier),
        pending_points=pending_points,
        customers=sum(customers.values()),
        customers_by_tier={
            span.tier.name: customers.get(place, 0) for place, span in enumerate(spans, start=1)
        },
        joined={row["joined_on"]: row["customers"] for row in rows if row["span"] is None},
    )


def folding(engine: AsyncEngine) -> Periodic:
    """Folds the changes of the days every second. Changes that arrive in between are folded together,
    so that a customer in several batches is counted once."""

    async def fold() -> bool:
        async with transaction(engine) as connection:
            return await days.fold(connection)

    return Periodic("fold_days", fold, every_seconds=_FOLD_SECONDS, is_transient=is_transient)
