"""The overview: what waits, whether the program does better or worse, and who its members are."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from msgspec import Struct

from services.dashboard.domain import charts, formatting
from services.dashboard.domain.buckets import (
    RANGES,
    Bucket,
    Range,
    buckets,
    ends,
    size_for,
    sums,
    weeks,
)
from services.dashboard.domain.buckets import Size as BucketSize
from services.dashboard.handlers.panels import Failed, attempt
from services.dashboard.handlers.pipeline import Health, load_health
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.models import Anomaly, Day, ForecastDay, Summary

_NEWEST: Final = 5
_MOST_SUMMED: Final = 100
_BEGINNING: Final = date(1970, 1, 1)
_DAYS_SHOWN_INSTEAD: Final = 30
_DAYS_AHEAD: Final = 90
# How far ahead of the present the time of an event may be.
_EVENTS_AHEAD: Final = timedelta(days=1)


class ToDo(Struct, frozen=True, kw_only=True):
    """What waits for the reader; `points` is known if all open anomalies fit on one page."""

    anomalies: int
    anomalies_more: bool
    points: int | None
    skipped: int
    skipped_more: bool
    letters: int
    letters_more: bool
    held: int
    newest: Sequence[Anomaly]


class Figure(Struct, frozen=True, kw_only=True):
    """A series of the overview: its total, how it changed in percent, and its chart. A series that has
    negative values has none."""

    name: str
    total: int
    change: int | None
    values: Sequence[int]
    columns: charts.Columns | None = None
    line: charts.Line | None = None


class Trend(Struct, frozen=True, kw_only=True):
    """The figures over the same buckets. `is_moved` if nothing was posted in the requested range, so that
    these are the 30 days up to the last posting. `is_open` while the day of the last bucket has not
    ended. `joined` is the number of new members. `others` are the other changes of balances, if there are any."""

    first: date
    last: date
    size: BucketSize
    buckets: Sequence[Bucket]
    figures: Sequence[Figure]
    is_moved: bool
    is_open: bool
    days_before: int | None
    joined: int
    others: Sequence[Figure]


class Expiring(Struct, frozen=True, kw_only=True):
    """The points that expire from today to `days` later, by the week of their last day in the store's time zone;
    weeks begin today. `following` is the first of the days."""

    as_of: datetime
    days: int
    weeks: Sequence[Bucket]
    points: Figure
    following: ForecastDay | None


class TierShare(Struct, frozen=True):
    """A tier, how many hold it, and their share of the largest tier, in percent."""

    name: str
    customers: int
    share: float


class Overview(Struct, frozen=True, kw_only=True):
    """The page; a part that could not be loaded is Failed. `expiring` is None where nothing can expire."""

    range: Range
    todo: ToDo | Failed
    health: Health | Failed
    trend: Trend | Failed
    members: int | None
    tiers: Sequence[TierShare]
    pending: int
    outstanding: int | None
    expiring: Expiring | Failed | None
    is_new: bool


async def load(client: AsyncWhaleClient, span: Range, now: datetime) -> Overview:
    """The page for a range that ends today, in UTC. Raises Unauthenticated."""
    todo, health, summary, expiring = await asyncio.gather(
        attempt(_load_todo(client)),
        attempt(load_health(client)),
        attempt(_load_summary(client, span, formatting.utc_day(now))),
        attempt(_load_expiring(client)),
    )
    totals = None if isinstance(summary, Failed) else summary.summary
    return Overview(
        range=span,
        todo=todo,
        health=health,
        trend=summary if isinstance(summary, Failed) else summary.trend,
        members=None if totals is None else totals.customers,
        tiers=() if totals is None else _shares(totals),
        pending=0 if totals is None else totals.points_pending,
        outstanding=None if totals is None else totals.points_outstanding,
        expiring=expiring,
        is_new=totals is not None and totals.first_day is None and totals.customers == 0,
    )


async def _load_todo(client: AsyncWhaleClient) -> ToDo:
    loyalty = client.loyalty
    (anomalies, skipped), (held, letters) = await asyncio.gather(
        asyncio.gather(
            loyalty.anomalies.list(status=("pending_review", "in_review"), limit=_MOST_SUMMED),
            loyalty.orders.list(state="skipped", limit=1),
        ),
        asyncio.gather(
            loyalty.orders.list(state="held", limit=1),
            loyalty.dead_letters.list(limit=1),
        ),
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
        newest=anomalies.data[:_NEWEST],
    )


async def _load_expiring(client: AsyncWhaleClient) -> Expiring | None:
    forecast = await client.loyalty.expirations(days=_DAYS_AHEAD)
    if forecast.as_of is None or forecast.starts_on is None or forecast.ends_on is None:
        return None
    parts = weeks(forecast.starts_on, forecast.ends_on)
    points = {day.expires_on: day.points for day in forecast.data}
    return Expiring(
        as_of=forecast.as_of,
        days=_DAYS_AHEAD,
        weeks=parts,
        points=_figure("expiring", points, parts, has_before=False),
        following=forecast.data[0] if forecast.data else None,
    )


class _Loaded(Struct, frozen=True):
    summary: Summary
    trend: Trend


async def _load_summary(client: AsyncWhaleClient, span: Range, today: date) -> _Loaded:
    """The summary of the range and of as many days before it. If no point was posted in the range, that
    of the 30 days up to the last posting."""
    days, last, is_moved = RANGES[span], today, False
    summary = await _summary(client, days, today)
    posted_until = summary.last_day
    if posted_until is not None and posted_until > today + _EVENTS_AHEAD:
        # The store's clock was moved, and the API shows it to administrators only.
        today = last = posted_until
        summary = await _summary(client, days, today)
    if days is None:
        return _Loaded(summary, _trend_of_all(summary, today))
    if posted_until is not None and posted_until <= today - timedelta(days=days):
        days, last, is_moved = _DAYS_SHOWN_INSTEAD, posted_until, True
        summary = await _summary(client, days, last)
    first = last - timedelta(days=days - 1)
    trend = _trend(summary, first, last, is_moved=is_moved, is_open=last == today, days=days)
    return _Loaded(summary, trend)


async def _summary(client: AsyncWhaleClient, days: int | None, last: date) -> Summary:
    first = _BEGINNING if days is None else last - timedelta(days=2 * days - 1)
    return await client.loyalty.summary(from_=first, to=last)


def _trend_of_all(summary: Summary, today: date) -> Trend:
    """From the first posting to the last one."""
    first, last = summary.first_day or today, summary.last_day or today
    return _trend(summary, first, last, is_moved=False, is_open=last == today, days=None)


def _trend(
    summary: Summary, first: date, last: date, *, is_moved: bool, is_open: bool, days: int | None
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
        is_open=is_open,
        days_before=days,
        joined=sum(day.joined for day in summary.days if first <= day.date <= last),
        others=_others(summary.days, parts),
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
    totals = sums(parts, values)
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
    """The points outstanding at the end of each bucket."""
    known = {day.date: day.outstanding or 0 for day in summary.days}
    values = ends(parts, known, before=_outstanding_before(summary))
    return Figure(
        name="outstanding", total=values[-1], change=None, values=values, line=charts.line(values)
    )


def _outstanding_before(summary: Summary) -> int:
    """The points outstanding before the first day of the summary."""
    if not summary.days:
        return summary.points_outstanding
    day = summary.days[0]
    change = day.issued - day.redeemed - day.taken_back - day.expired + day.adjusted
    return (day.outstanding or 0) - change


def _others(days: Sequence[Day], parts: Sequence[Bucket]) -> list[Figure]:
    """Expirations, and corrections of balances."""
    values = {
        "expired": sums(parts, {day.date: -day.expired for day in days}),
        "adjusted": sums(parts, {day.date: day.adjusted for day in days}),
    }
    return [
        Figure(name=name, total=sum(changes), change=None, values=changes)
        for name, changes in values.items()
        if any(changes)
    ]


def _shares(summary: Summary) -> Sequence[TierShare]:
    largest = max((tier.customers for tier in summary.tiers), default=0) or 1
    return [
        TierShare(tier.name, tier.customers, round(100 * tier.customers / largest, 2))
        for tier in summary.tiers
    ]
