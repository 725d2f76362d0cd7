"""The bounds of what callers send, each fault told with its place, all of them at once."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from libs.contracts import api
from libs.contracts.anomalies import (
    MAX_COUNT,
    MAX_DAYS,
    MAX_FACTOR,
    MAX_HISTORY,
    MAX_WINDOW_SECONDS,
    AnomalyPatch,
    AnomalySettings,
    BacktestRequest,
)
from libs.contracts.numbers import fits
from libs.web import checks as shared
from libs.web.body import Faults

_LONGEST_BACKTEST_DAYS: Final = 366
_DAY_RULE: Final = "must be a day, as in 2026-03-10"


def patch(request: AnomalyPatch, faults: Faults) -> None:
    """A decision on an anomaly."""
    if request.status == "resolved" and request.resolution is None:
        faults.at(
            "#/resolution", "is required with the status resolved: approved, voided or suspended"
        )
    if request.status == "in_review" and request.resolution is not None:
        faults.at("#/resolution", "must only be sent with the status resolved")
    if request.note is not None:
        shared.text(request.note, faults, at="#/note", longest=api.MAX_REASON)


def settings(request: AnomalySettings, faults: Faults, *, at: str = "#") -> None:
    """All detectors' parameters."""
    rapid, unusual, deviation = request.rapid_earning, request.unusual_amount, request.deviation
    for name, value, low, high in (
        ("rapid_earning/count", rapid.count, 2, MAX_COUNT),
        ("rapid_earning/window_seconds", rapid.window_seconds, 1, MAX_WINDOW_SECONDS),
        ("unusual_amount/min_history", unusual.min_history, 1, MAX_HISTORY),
        ("unusual_amount/min_points", unusual.min_points, 1, api.MAX_ORDER_POINTS),
        ("deviation/min_days", deviation.min_days, 2, MAX_DAYS),
    ):
        shared.whole(value, faults, at=f"{at}/{name}", low=low, high=high)
    _over(unusual.factor, faults, at=f"{at}/unusual_amount/factor", above=1)
    _over(deviation.score, faults, at=f"{at}/deviation/score", above=0)


def _over(value: Decimal, faults: Faults, *, at: str, above: int) -> None:
    if not fits(value, low=above, high=MAX_FACTOR) or value == above:
        faults.at(at, f"must be over {above} and up to {MAX_FACTOR:,}, with up to six decimals")


def backtest(request: BacktestRequest, faults: Faults) -> None:
    """The settings and the days of a backtest."""
    settings(request.settings, faults, at="#/settings")
    first = _day(request.from_, faults, at="#/from")
    last = _day(request.to, faults, at="#/to")
    if first is not None and last is not None:
        if first > last:
            faults.at("#/to", "must not be before `from`")
        elif (last - first).days >= _LONGEST_BACKTEST_DAYS:
            faults.at("#/to", f"must be within {_LONGEST_BACKTEST_DAYS} days of `from`")


def day(text: str) -> date:
    """A day that passed its check."""
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()


def _day(text: str, faults: Faults, *, at: str) -> date | None:
    try:
        found = day(text)
    except ValueError:
        faults.at(at, _DAY_RULE)
        return None
    if not 1970 <= found.year < 9999:
        faults.at(at, "must be from 1970 to 9998")
        return None
    return found
