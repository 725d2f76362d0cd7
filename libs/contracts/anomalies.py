"""The REST shapes of anomalies and their settings. The fields that clients rely on come first."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal, get_args

from msgspec import UNSET, Raw, Struct, UnsetType

from libs.contracts.api import MAX_ORDER_POINTS, Answer, Request
from libs.contracts.numbers import Exact

AnomalyType = Literal["rapid_earning", "unusual_amount", "deviation"]
AnomalyStatus = Literal["pending_review", "in_review", "resolved"]
Resolution = Literal["approved", "voided", "suspended"]
Mode = Literal["off", "shadow", "review"]

ANOMALY_TYPES: Final[tuple[AnomalyType, ...]] = get_args(AnomalyType)


class Anomaly(Answer, frozen=True, kw_only=True):
    """Suspicious earning; `evidence` holds the numbers it was judged by."""

    id: str
    customer_id: str
    type: AnomalyType
    description: str
    points_involved: int
    status: AnomalyStatus
    flagged_at: str
    transaction_ids: list[str]
    evidence: Raw
    resolution: Resolution | UnsetType = UNSET
    note: str | UnsetType = UNSET
    reviewed_by: str | UnsetType = UNSET
    resolved_at: str | UnsetType = UNSET


class AnomalyPatch(Request, frozen=True, kw_only=True):
    """Take an anomaly into review, or resolve it; a resolution is final."""

    status: Literal["in_review", "resolved"]
    resolution: Resolution | None = None
    note: str | None = None


class RapidEarning(Request, frozen=True, kw_only=True):
    """`count` or more earnings of a customer within `window_seconds`, both ends included."""

    mode: Mode = "review"
    count: int = 10
    window_seconds: int = 120


class UnusualAmount(Request, frozen=True, kw_only=True):
    """One earning of at least `factor` times the median of the customer's earlier ones, and of
    `min_points`. A customer with fewer than `min_history` of them is held to the store's median."""

    mode: Mode = "review"
    factor: Exact = Decimal(10)
    min_history: int = 5
    min_points: int = 1_000


class Deviation(Request, frozen=True, kw_only=True):
    """A UTC day's points whose robust score against the customer's earlier days reaches `score`;
    judged from `min_days` earlier days with earnings on."""

    mode: Mode = "review"
    score: Exact = Decimal(6)
    min_days: int = 14


class WholeNumbers(Struct, frozen=True):
    """From `low` to `high`."""

    low: int
    high: int


class Decimals(Struct, frozen=True):
    """Over `above` and up to `high`, with at most six decimals."""

    above: int
    high: int


ParameterBound = WholeNumbers | Decimals

# The bounds of each detector's parameters.
PARAMETER_BOUNDS: Final[Mapping[type[Struct], Mapping[str, ParameterBound]]] = {
    RapidEarning: {
        "count": WholeNumbers(2, 1_000),
        "window_seconds": WholeNumbers(1, 86_400),
    },
    UnusualAmount: {
        "factor": Decimals(1, 10**6),
        "min_history": WholeNumbers(1, 1_000),
        "min_points": WholeNumbers(1, MAX_ORDER_POINTS),
    },
    Deviation: {
        "score": Decimals(0, 10**6),
        "min_days": WholeNumbers(2, 365),
    },
}


class AnomalySettings(Request, frozen=True, kw_only=True):
    """A store's detectors; fields left out get their defaults."""

    rapid_earning: RapidEarning = RapidEarning()
    unusual_amount: UnusualAmount = UnusualAmount()
    deviation: Deviation = Deviation()


class BacktestRequest(Request, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Settings to try on the recorded history of the UTC days `from` to `to`, both included."""

    from_: str
    to: str
    settings: AnomalySettings = AnomalySettings()


class Recall(Answer, frozen=True, kw_only=True):
    """Of the anomalies that people resolved in one way: how many there are, and how many of them
    the tried settings would have flagged too."""

    total: int
    flagged: int


class BacktestDay(Answer, frozen=True, kw_only=True):
    """What would have been flagged for a day's earnings, by the last earning of each."""

    date: str
    flagged: int
    points_involved: int


class BacktestDetector(Answer, frozen=True, kw_only=True):
    """One detector on the tried history; days without a flag are left out."""

    type: AnomalyType
    flagged: int
    customers: int
    points_involved: int
    days: list[BacktestDay]
    voided: Recall
    suspended: Recall
    approved: Recall


class BacktestAnswer(Answer, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What the tried settings would have flagged; `earnings` is how many were looked at."""

    from_: str
    to: str
    earnings: int
    detectors: list[BacktestDetector]
