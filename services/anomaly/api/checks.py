"""The bounds of request bodies; a check reports every fault, with its pointer."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from libs.contracts import api
from libs.contracts.anomalies import (
    PARAMETER_BOUNDS,
    AnomalyPatch,
    AnomalySettings,
    AnomalySettingsInput,
    BacktestRequest,
    Decimals,
    ParameterBound,
)
from libs.contracts.numbers import fits
from libs.web import checks as shared
from libs.web.body import Faults
from services.anomaly.store.anomalies import AnomalyFilter

_LONGEST_BACKTEST_DAYS: Final = 366
_DAY_RULE: Final = "must be a date, as in 2026-03-10"


def patch(request: AnomalyPatch, faults: Faults) -> None:
    """A review of an anomaly."""
    if request.status == "resolved" and request.resolution is None:
        faults.at(
            "#/resolution",
            "is required when `status` is `resolved`, and must be `approved`, `voided` or `suspended`",
        )
    if request.status in {"pending_review", "in_review"} and request.resolution is not None:
        faults.at("#/resolution", "must not be sent unless `status` is `resolved`")
    if request.reviewer is not None:
        shared.text(request.reviewer, faults, at="#/reviewer", longest=api.MAX_NAME)
    if request.note is not None:
        shared.text(request.note, faults, at="#/note", longest=api.MAX_REASON)
    shared.version(request.version, faults)


def filters(value: AnomalyFilter, faults: Faults) -> None:
    """The filters of a list; a resolution with a filter that no resolved anomaly passes is a fault."""
    if value.resolution is None:
        return
    if value.statuses and "resolved" not in value.statuses:
        faults.parameter("resolution", "must not be sent with a `status` that excludes `resolved`")
    if value.mode == "shadow":
        faults.parameter(
            "resolution", "must not be sent with the mode `shadow`, whose findings nobody resolves"
        )


def settings(request: AnomalySettingsInput, faults: Faults, *, at: str = "#") -> None:
    """The parameters of all detectors, and the version that they replace."""
    shared.version(request.version, faults, at=f"{at}/version")
    for name, value, bound in _parameters(request):
        if isinstance(bound, Decimals):
            _over(value, faults, at=f"{at}/{name}", bound=bound)
        else:
            shared.whole(value, faults, at=f"{at}/{name}", low=bound.low, high=bound.high)


def _parameters(request: AnomalySettings) -> Iterator[tuple[str, Any, ParameterBound]]:
    for detector in AnomalySettings.__struct_fields__:
        own = getattr(request, detector)
        for name, bound in PARAMETER_BOUNDS[type(own)].items():
            yield f"{detector}/{name}", getattr(own, name), bound


def _over(value: Decimal, faults: Faults, *, at: str, bound: Decimals) -> None:
    if not fits(value, low=bound.above, high=bound.high) or value == bound.above:
        faults.at(
            at,
            f"must be over {bound.above} and up to {bound.high:,}, with up to six decimals",
        )


def backtest(request: BacktestRequest, faults: Faults) -> None:
    """The settings and the days of a backtest."""
    settings(request.settings, faults, at="#/settings")
    first = _day(request.from_, faults, at="#/from")
    last = _day(request.to, faults, at="#/to")
    if first is not None and last is not None:
        if first > last:
            faults.at("#/to", "must not be before `from`")
        elif (last - first).days >= _LONGEST_BACKTEST_DAYS:
            faults.at("#/to", f"must be at most {_LONGEST_BACKTEST_DAYS - 1} days after `from`")


def day(text: str) -> date:
    """A day that passed its check."""
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()


def _day(text: str, faults: Faults, *, at: str) -> date | None:
    try:
        parsed = day(text)
    except ValueError:
        faults.at(at, _DAY_RULE)
        return None
    if not 1970 <= parsed.year < 9999:
        faults.at(at, "must be in the years 1970 to 9998")
        return None
    return parsed
