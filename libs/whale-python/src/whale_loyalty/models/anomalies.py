"""Anomalies, the settings of the detectors, and backtests."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from whale_loyalty.models.base import Model
from whale_loyalty.values import AnomalyStatus, AnomalyType, Mode, Resolution


class Anomaly(Model, frozen=True, kw_only=True):
    """Suspicious earnings; `evidence` holds the numbers that the detector compared.

    `status` is pending_review, in_review or resolved; `resolution` approved, voided or suspended.
    `reviewed_by` is the name of the key of the last review, `reviewer` that of the person. `version`
    counts the changes, also those by later earnings.
    """

    id: str
    customer_id: str
    type: AnomalyType
    description: str
    points_involved: int
    status: AnomalyStatus
    flagged_at: datetime
    transaction_ids: list[str] = []
    evidence: dict[str, Any] = {}
    resolution: Resolution | None = None
    note: str | None = None
    reviewed_by: str | None = None
    reviewer: str | None = None
    resolved_at: datetime | None = None
    version: int = 0
    updated_at: datetime | None = None
    in_review_at: datetime | None = None


class RapidEarning(Model, frozen=True, kw_only=True):
    """Flags `count` or more earnings within `window_seconds`; `mode` is off, shadow or review."""

    mode: Mode
    count: int
    window_seconds: int


class UnusualAmount(Model, frozen=True, kw_only=True):
    """Flags an earning of at least `min_points` that is `factor` times the median of the earlier
    earnings, if there are at least `min_history` of them."""

    mode: Mode
    factor: Decimal
    min_history: int
    min_points: int


class Deviation(Model, frozen=True, kw_only=True):
    """Flags a day whose robust z-score is `score` or more, after `min_days` days with earnings."""

    mode: Mode
    score: Decimal
    min_days: int


class AnomalySettings(Model, frozen=True, kw_only=True):
    """The detectors' modes and parameters; `version` counts their changes."""

    rapid_earning: RapidEarning
    unusual_amount: UnusualAmount
    deviation: Deviation
    version: int | None = None


class Recall(Model, frozen=True, kw_only=True):
    """Of the anomalies with one resolution, how many the tested settings flag as well."""

    total: int
    flagged: int


class BacktestDay(Model, frozen=True, kw_only=True):
    """What the tested settings flag among one day's earnings."""

    date: date
    flagged: int
    points_involved: int


class BacktestDetector(Model, frozen=True, kw_only=True):
    """One detector's results of a backtest; days without an anomaly are omitted."""

    type: AnomalyType
    flagged: int
    customers: int
    points_involved: int
    days: list[BacktestDay]
    voided: Recall
    suspended: Recall
    approved: Recall


class Backtest(Model, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What the tested settings would have flagged; `earnings` is the number of earnings tested."""

    from_: date
    to: date
    earnings: int
    detectors: list[BacktestDetector]
