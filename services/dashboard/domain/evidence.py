"""The charts of an anomaly: the customer's earnings over time, those in question marked, and the limit
that they reached."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from msgspec import Struct

from services.dashboard.domain.charts import Mark, Timeline, timeline
from services.dashboard.domain.formatting import utc_day
from whale_loyalty.models import Transaction

# A robust z-score in units of the median absolute deviation, as docs/rules/anomaly.md defines it.
_CONSISTENCY: Final = 0.6745

Measure = Literal["days", "earnings", "window"]


class Chart(Struct, frozen=True, kw_only=True):
    """A timeline, what its height measures, its ends, and the `limit` that its line shows."""

    measure: Measure
    timeline: Timeline
    first: datetime
    last: datetime
    limit: float | None
    in_question: int
    total: int


# The text of a mark from its time, value and measure.
Label = Callable[[datetime, int, Measure], str]


def time_of(transaction: Transaction) -> datetime:
    """When the event happened, which the detectors judge by."""
    return transaction.occurred_at or transaction.created_at


def awarded(transaction: Transaction) -> int:
    """The points of an earning, as the detectors judge it: those that wait count too."""
    is_pend = transaction.type == "pend"
    return transaction.pending or 0 if is_pend else transaction.points


def is_judged(transaction: Transaction) -> bool:
    """Whether the detectors judge it: an earning that releases points was judged when these began to wait."""
    return transaction.type == "pend" or not transaction.pending


def charts_of(
    type_: str,
    evidence: Mapping[str, Any],
    history: Sequence[Transaction],
    in_question: Sequence[Transaction],
    label: Label,
) -> list[Chart]:
    """The charts of an anomaly, first the one that shows why it was flagged."""
    marked = {one.id for one in in_question}
    earnings = sorted({one.id: one for one in [*history, *in_question]}.values(), key=time_of)
    if not earnings or not marked:
        return []
    burst = [one for one in earnings if one.id in marked]
    match type_:
        case "rapid_earning":
            window = timedelta(seconds=float(evidence.get("window_seconds") or 0))
            near = _near(earnings, burst, window)
            days = _days(earnings, marked, None, label)
            return [
                _chart("window", _counts(near, window), near, marked, evidence.get("count"), label),
                # A single day says nothing about what is usual.
                *([days] if days.total > 1 else []),
            ]
        case "deviation":
            charts = [_days(earnings, marked, _day_limit(evidence), label)]
            if len(burst) > 1:
                charts.append(_chart("earnings", _points(burst), burst, marked, None, label))
            return charts
        case _:
            return [
                _chart("earnings", _points(earnings), earnings, marked, _limit(evidence), label)
            ]


def _limit(evidence: Mapping[str, Any]) -> float | None:
    """From so many points on, one earning is unusual."""
    if "factor" not in evidence or "median" not in evidence:
        return None
    return float(evidence["factor"]) * float(evidence["median"])


def _day_limit(evidence: Mapping[str, Any]) -> float | None:
    """From so many points on, a day is unusual."""
    if not {"median", "mad", "threshold"} <= evidence.keys():
        return None
    spread = float(evidence["mad"]) * float(evidence["threshold"]) / _CONSISTENCY
    return float(evidence["median"]) + spread


def _points(earnings: Sequence[Transaction]) -> list[int]:
    return [awarded(one) for one in earnings]


def _counts(earnings: Sequence[Transaction], window: timedelta) -> list[int]:
    """How many earnings the window that ends with each one holds, both ends included."""
    times = [time_of(one) for one in earnings]
    return [
        sum(1 for at in times[: number + 1] if times[number] - at <= window)
        for number in range(len(times))
    ]


def _near(
    earnings: Sequence[Transaction], burst: Sequence[Transaction], window: timedelta
) -> Sequence[Transaction]:
    """The earnings from one window before the burst to one window after it."""
    first, last = time_of(burst[0]) - window, time_of(burst[-1]) + window
    return [one for one in earnings if first <= time_of(one) <= last]


def _days(
    earnings: Sequence[Transaction], marked: set[str], limit: float | None, label: Label
) -> Chart:
    """A mark for each UTC day with earnings."""
    points: dict[datetime, int] = {}
    flagged: set[datetime] = set()
    for one in earnings:
        day = utc_day(time_of(one))
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        points[noon] = points.get(noon, 0) + awarded(one)
        if one.id in marked:
            flagged.add(noon)
    marks = [
        Mark(day, value, day in flagged, label(day, value, "days")) for day, value in points.items()
    ]
    return _finish("days", marks, limit)


def _chart(
    measure: Measure,
    values: Sequence[int],
    earnings: Sequence[Transaction],
    marked: set[str],
    limit: float | Decimal | None,
    label: Label,
) -> Chart:
    marks = [
        Mark(time_of(one), value, one.id in marked, label(time_of(one), value, measure))
        for one, value in zip(earnings, values, strict=True)
    ]
    return _finish(measure, marks, None if limit is None else float(limit))


def _finish(measure: Measure, marks: Sequence[Mark], limit: float | None) -> Chart:
    return Chart(
        measure=measure,
        timeline=timeline(marks, threshold=limit),
        first=marks[0].at,
        last=marks[-1].at,
        limit=limit,
        in_question=sum(mark.is_marked for mark in marks),
        total=len(marks),
    )
