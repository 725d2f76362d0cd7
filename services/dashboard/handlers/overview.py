"""The overview: what waits, whether the program does better or worse, and who its members are."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from msgspec import Struct

from services.dashboard.domain import charts, formatting
from services.dashboard.domain.buckets import RANGES, Bucket, Range, buckets, size_for, sums
from services.dashboard.domain.buckets import Size as BucketSize
from services.dashboard.handlers.panels import Failed, attempt
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.models import Anomaly, Day, Page, Summary

_NEWEST: Final = 5
_MOST_SUMMED: Final = 100
_BEGINNING: Final = date(1970, 1, 1)


class ToDo(Struct, frozen=True, kw_only=True):
    """What waits for the reader; `points` is known where all open anomalies fit on one page."""

    anomalies: int
    anomalies_more: bool
    points: int | None
    skipped: int
    skipped_more: bool
    letters: int
    letters_more: bool
    held: int

    @property
    def is_empty(self) -> bool:
        return not (self.anomalies or self.skipped or self.letters or self.held)


class Figure(Struct, frozen=True, kw_only=True):
    """A series of the overview: its total, how it changed in percent, and its chart. The last column is
    `open` while its day has not ended."""

    name: str
    total: int
    change: int | None
    values: Sequence[int]
    columns: charts.Columns | None = None
    line: charts.Line | None = None


class Trend(Struct, frozen=True, kw_only=True):
    """The figures over the same buckets; `is_moved` if the range lies before today, since nothing was
    posted in the range that ends today."""

    first: date
    last: date
    size: BucketSize
    buckets: Sequence[Bucket]
    figures: Sequence[Figure]
    is_moved: bool
    is_open: bool
    days_before: int | None


class TierShare(Struct, frozen=True):
    """A tier, how many hold it, and their share of the largest tier, in percent."""

    name: str
    customers: int
    share: float


class Overview(Struct, frozen=True, kw_only=True):
    """The page; a part that could not be loaded is Failed."""

    range: Range
    todo: ToDo | Failed
    trend: Trend | Failed
    newest: Sequence[Anomaly] | Failed
    members: int | None
    tiers: Sequence[TierShare]
    outstanding: int | None
    is_new: bool


async def load(client: AsyncWhaleClient, span: Range, now: datetime) -> Overview:
    """The page for a range that ends today, in UTC. Raises Unauthenticated."""
    todo, anomalies, summary = await asyncio.gather(
        attempt(_load_todo(client)),
        attempt(_load_anomalies(client)),
        attempt(_load_summary(client, span, formatting.utc_day(now))),
    )
    trend = summary if isinstance(summary, Failed) else summary.trend
    totals = None if isinstance(summary, Failed) else summary.summary
    return Overview(
        range=span,
        todo=todo,
        trend=trend,
        newest=anomalies,
        members=None if totals is None else totals.customers,
        tiers=() if totals is None else _shares(totals),
        outstanding=None if totals is None else totals.points_outstanding,
        is_new=totals is not None and totals.customers == 0,
    )


async def _load_todo(client: AsyncWhaleClient) -> ToDo:
    loyalty = client.loyalty
    anomalies, skipped, held, letters = await asyncio.gather(
        _page(loyalty.anomalies.list(status="pending_review", limit=_MOST_SUMMED)),
        _page(loyalty.orders.list(state="skipped", limit=1)),
        _page(loyalty.orders.list(state="held", limit=1)),
        _page(loyalty.dead_letters.list(limit=1)),
    )
    points = None if anomalies.has_more else sum(one.points_involved for one in anomalies.data)
    return ToDo(
        anomalies=anomalies.total,
        anomalies_more=anomalies.total_more,
        points=points,
        skipped=skipped.total,
        skipped_more=skipped.total_more,
        letters=letters.total,
        letters_more=letters.total_more,
        held=held.total,
    )


async def _load_anomalies(client: AsyncWhaleClient) -> Sequence[Anomaly]:
    page = await client.loyalty.anomalies.list(status="pending_review", limit=_NEWEST)
    return page.data


class _Loaded(Struct, frozen=True):
    summary: Summary
    trend: Trend


async def _load_summary(client: AsyncWhaleClient, span: Range, today: date) -> _Loaded:
    """The summary of the range and of as many days before it. Where the range that ends today has no
    posting, the one that ends with the last posting."""
    days = RANGES[span]
    summary = await _summary(client, days, today)
    last, is_moved = today, False
    if not summary.days and summary.customers:
        newest = await client.loyalty.transactions.list(limit=1)
        if newest.data:
            posted = newest.data[0]
            last, is_moved = formatting.utc_day(posted.occurred_at or posted.created_at), True
            summary = await _summary(client, days, last)
    if days is None:
        # From the first posting to the last one.
        first = min((day.date for day in summary.days), default=last)
        last = max((day.date for day in summary.days), default=last)
    else:
        first = last - timedelta(days=days - 1)
    return _Loaded(summary, _trend(summary, first, last, is_moved=is_moved, today=today, days=days))


async def _summary(client: AsyncWhaleClient, days: int | None, last: date) -> Summary:
    first = _BEGINNING if days is None else last - timedelta(days=2 * days - 1)
    return await client.loyalty.summary(from_=first, to=last)


def _trend(
    summary: Summary, first: date, last: date, *, is_moved: bool, today: date, days: int | None
) -> Trend:
    parts = buckets(first, last)
    figures = [
        _figure(name, values, parts, has_before=days is not None)
        for name, values in _series(summary.days).items()
    ]
    return Trend(
        first=first,
        last=last,
        size=size_for(first, last),
        buckets=parts,
        figures=[*figures, _outstanding(summary, parts)],
        is_moved=is_moved,
        is_open=last == today,
        days_before=days,
    )


def _series(days: Sequence[Day]) -> Mapping[str, Mapping[date, int]]:
    return {
        "issued": {day.date: day.issued for day in days},
        "redeemed": {day.date: day.redeemed for day in days},
        "clawed_back": {day.date: day.taken_back for day in days},
    }


def _figure(
    name: str, values: Mapping[date, int], parts: Sequence[Bucket], *, has_before: bool
) -> Figure:
    totals = sums(list(parts), values)
    first = parts[0].first
    before = sum(value for day, value in values.items() if day < first)
    return Figure(
        name=name,
        total=sum(totals),
        change=formatting.percent_change(sum(totals), before) if has_before else None,
        values=totals,
        columns=charts.columns(totals),
    )


def _outstanding(summary: Summary, parts: Sequence[Bucket]) -> Figure:
    """The points outstanding at the end of each bucket, counted back from those of now."""
    changes = {
        day.date: day.issued - day.redeemed - day.taken_back - day.expired for day in summary.days
    }
    by_bucket = sums(list(parts), changes)
    values = [summary.points_outstanding]
    for change in reversed(by_bucket[1:]):
        values.append(values[-1] - change)
    values.reverse()
    return Figure(
        name="outstanding",
        total=summary.points_outstanding,
        change=None,
        values=values,
        line=charts.line(values),
    )


def _shares(summary: Summary) -> Sequence[TierShare]:
    largest = max((tier.customers for tier in summary.tiers), default=0) or 1
    return [
        TierShare(tier.name, tier.customers, round(100 * tier.customers / largest, 2))
        for tier in summary.tiers
    ]


async def _page(listing: object) -> Page[Anomaly]:
    page: Page[Anomaly] = await listing  # type: ignore[misc]
    return page
