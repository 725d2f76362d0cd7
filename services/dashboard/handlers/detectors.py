"""The detectors' settings, and what other settings would have flagged."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from msgspec import Struct

from services.dashboard.domain import charts, detectors
from services.dashboard.domain.buckets import Bucket, buckets, size_for, sums
from services.dashboard.domain.buckets import Size as BucketSize
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.models import AnomalySettings, Backtest, BacktestDetector


class Result(Struct, frozen=True, kw_only=True):
    """What the tried settings of a detector flag, and behind it what those in force do (`before`; None if
    they are the same)."""

    tried: BacktestDetector
    before: BacktestDetector | None
    columns: charts.Columns
    behind: charts.Columns | None
    values: Sequence[int]

    @property
    def is_reviewed(self) -> bool:
        """Whether people decided about any anomaly of the type."""
        tried = self.tried
        return bool(tried.voided.total or tried.suspended.total or tried.approved.total)


class Trial(Struct, frozen=True, kw_only=True):
    """A backtest over the last `days` days."""

    days: int
    earnings: int
    size: BucketSize
    buckets: Sequence[Bucket]
    results: Sequence[Result]
    is_same: bool


async def count_in_shadow(client: AsyncWhaleClient) -> int:
    """How many findings of detectors in shadow there are; at most the API's limit of a total."""
    page = await client.loyalty.anomalies.list(mode="shadow", limit=1)
    return page.total


async def try_out(
    client: AsyncWhaleClient,
    settings: Mapping[str, Any],
    current: AnomalySettings,
    *,
    days: int,
    today: date,
) -> Trial:
    """Test the settings, and those in force for comparison. Raises WhaleError; InvalidRequest names the
    wrong fields."""
    first = today - timedelta(days=days - 1)
    is_same = detectors.settings_from(detectors.values_of(current)) == settings
    test = client.loyalty.anomaly_settings.backtest
    tried = await test(settings, from_=first, to=today)
    before = None if is_same else await test(current, from_=first, to=today)
    parts = buckets(first, today)
    return Trial(
        days=days,
        earnings=tried.earnings,
        size=size_for(first, today),
        buckets=parts,
        results=_results(tried, before, parts),
        is_same=is_same,
    )


def _results(tried: Backtest, before: Backtest | None, parts: Sequence[Bucket]) -> Sequence[Result]:
    earlier = {} if before is None else {one.type: one for one in before.detectors}
    return [_result(one, earlier.get(one.type), parts) for one in tried.detectors]


def _result(
    tried: BacktestDetector, before: BacktestDetector | None, parts: Sequence[Bucket]
) -> Result:
    values = _per_bucket(tried, parts)
    others = [] if before is None else _per_bucket(before, parts)
    highest = max([*values, *others], default=0)
    return Result(
        tried=tried,
        before=before,
        columns=charts.columns(values, highest=highest),
        behind=charts.columns(others, highest=highest) if others else None,
        values=values,
    )


def _per_bucket(detector: BacktestDetector, parts: Sequence[Bucket]) -> list[int]:
    return sums(list(parts), {day.date: day.flagged for day in detector.days})
