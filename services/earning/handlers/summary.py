"""The programme at a glance: days, points outstanding, customers, tiers."""

import time
from datetime import date
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.background.periodic import Periodic
from libs.contracts import api
from libs.persistence.engine import transaction
from libs.persistence.errors import is_transient
from libs.persistence.slow_reads import SlowReads
from services.earning.store import days, programs

# The answer may be five seconds behind: the fold runs each second, the count is kept for three.
_FOLD_SECONDS: Final = 1.0
_KEPT_SECONDS: Final = 3.0
_REMEMBERED: Final = 1_000


class _Totals(Struct, frozen=True):
    """A store's present figures, as of `until` less _KEPT_SECONDS."""

    until: float
    points: int
    customers: int
    tiers: list[api.TierCount]


class Summaries:
    """Answers summaries; counting a store's customers is done once for all who ask meanwhile."""

    def __init__(self, reads: SlowReads) -> None:
        self._reads = reads
        self._kept: dict[str, _Totals] = {}

    async def get(self, store_id: str, *, first: date, last: date) -> api.Summary:
        """The summary of the days from `first` to `last`, both included."""
        async with self._reads.snapshot(store_id) as connection:
            # Looked up only now: whoever had the turn before may have counted.
            totals = self._kept.get(store_id)
            rows = await days.days(connection, store_id, first=first, last=last)
            if totals is None or totals.until < time.monotonic():
                in_force = (await programs.read(connection, [store_id])).get(store_id)
                default = None if in_force is None else in_force.default
                tiers = () if default is None else default.tiers
                counted = await days.totals(connection, store_id, [one.min_points for one in tiers])
                by_step = {row["step"]: row["customers"] for row in counted}
                totals = _Totals(
                    until=time.monotonic() + _KEPT_SECONDS,
                    points=sum(row["points"] for row in counted),
                    customers=sum(by_step.values()),
                    tiers=[
                        api.TierCount(name=tier.name, customers=by_step.get(step, 0))
                        for step, tier in enumerate(tiers, start=1)
                    ],
                )
                self._keep(store_id, totals)
        return api.Summary(
            days=[
                api.Day(
                    date=row["day"].isoformat(),
                    issued=row["issued"],
                    redeemed=row["redeemed"],
                    taken_back=row["taken_back"],
                    expired=row["expired"],
                    active_customers=row["active_customers"],
                )
                for row in rows
            ],
            points_outstanding=totals.points,
            customers=totals.customers,
            tiers=totals.tiers,
        )

    def _keep(self, store_id: str, totals: _Totals) -> None:
        self._kept.pop(store_id, None)
        self._kept[store_id] = totals
        while len(self._kept) > _REMEMBERED:
            del self._kept[next(iter(self._kept))]


def folding(engine: AsyncEngine) -> Periodic:
    """Folds what was posted into the days. Changes that arrive during a fold are folded together, so
    that a customer of several batches counts once a day."""

    async def fold() -> bool:
        async with transaction(engine) as connection:
            return await days.fold(connection)

    return Periodic("fold_days", fold, every_seconds=_FOLD_SECONDS, is_transient=is_transient)
