"""The REST schemas of anomalies and detector settings. The fields that clients rely on come first."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal, get_args

from msgspec import UNSET, Raw, Struct, UnsetType

from libs.contracts.api import MAX_ORDER_POINTS, Request, Response
from libs.contracts.numbers import Exact

AnomalyType = Literal["rapid_earning", "unusual_amount", "deviation"]
AnomalyStatus = Literal["pending_review", "in_review", "resolved"]
Resolution = Literal["approved", "voided", "suspended"]
Mode = Literal["off", "shadow", "review"]
AnomalyOrder = Literal["flagged_at", "-flagged_at", "-points_involved"]

ANOMALY_TYPES: Final[tuple[AnomalyType, ...]] = get_args(AnomalyType)


class Anomaly(Response, frozen=True, kw_only=True):
    """Suspicious earnings; `evidence` has the numbers that they were judged by. `reviewed_by` is the
    name of the key of the last review, `reviewer` the person that the caller named; `in_review_at` is
    when the review was started. `version` counts the changes, also those by later earnings."""

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
    reviewer: str | UnsetType = UNSET
    resolved_at: str | UnsetType = UNSET
    version: int
    updated_at: str
    in_review_at: str | UnsetType = UNSET


class AnomalyPatch(Request, frozen=True, kw_only=True):
    """Start the review of an anomaly (`in_review`), stop it without a decision (`pending_review`), or
    resolve it; a resolution is final. `reviewer` is the name of the person who decides, if many use one
    key. With `version`, only if that is still the anomaly's version."""

    status: AnomalyStatus
    resolution: Resolution | None = None
    note: str | None = None
    reviewer: str | None = None
    version: int | None = None


class RapidEarning(Request, frozen=True, kw_only=True):
    """`count` or more earnings of a customer within `window_seconds`, including both ends."""

    mode: Mode = "review"
    count: int = 10
    window_seconds: int = 120


class UnusualAmount(Request, frozen=True, kw_only=True):
    """An earning of at least `min_points`, and of at least `factor` times the median of the
    customer's earlier earnings. For a customer with fewer than `min_history` earlier earnings, the
    store's median is used."""

    mode: Mode = "review"
    factor: Exact = Decimal(10)
    min_history: int = 5
    min_points: int = 1_000


class Deviation(Request, frozen=True, kw_only=True):
    """A UTC day whose points have a robust score of at least `score`, compared with the customer's
    earlier days. Judged once the customer has `min_days` earlier days with earnings."""

    mode: Mode = "review"
    score: Exact = Decimal(6)
    min_days: int = 14


class WholeNumbers(Struct, frozen=True):
    """The integers from `low` to `high`."""

    low: int
    high: int


class Decimals(Struct, frozen=True):
    """The numbers greater than `above`, up to `high`, with at most six decimal places."""

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
    """The settings of a store's detectors; omitted fields have their default values."""

    rapid_earning: RapidEarning = RapidEarning()
    unusual_amount: UnusualAmount = UnusualAmount()
    deviation: Deviation = Deviation()


class AnomalySettingsInput(AnomalySettings, frozen=True, kw_only=True):
    """Settings as a request has them, so that those of a response may be sent back. With `version`,
    they are replaced only if that is still their version."""

    version: int | None = None

    def detectors(self) -> AnomalySettings:
        """The settings alone."""
        return AnomalySettings(
            **{name: getattr(self, name) for name in AnomalySettings.__struct_fields__}
        )


class CurrentAnomalySettings(Response, frozen=True, kw_only=True):
    """The settings of a store's detectors; `version` counts their changes, and is 1 for the default
    settings."""

    rapid_earning: RapidEarning
    unusual_amount: UnusualAmount
    deviation: Deviation
    version: int


class BacktestRequest(Request, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Settings to try on the recorded history of the UTC days `from` to `to`, inclusive. Their `version`
    does not matter."""

    from_: str
    to: str
    settings: AnomalySettingsInput = AnomalySettingsInput()


class Recall(Response, frozen=True, kw_only=True):
    """The anomalies that were resolved in one way: how many there are, and how many of them the
    given settings would have flagged."""

    total: int
    flagged: int


class BacktestDay(Response, frozen=True, kw_only=True):
    """The anomalies of a day that would have been flagged; each counts on the day of its last earning."""

    date: str
    flagged: int
    points_involved: int


class BacktestDetector(Response, frozen=True, kw_only=True):
    """The results of one detector; days without an anomaly are omitted."""

    type: AnomalyType
    flagged: int
    customers: int
    points_involved: int
    days: list[BacktestDay]
    voided: Recall
    suspended: Recall
    approved: Recall


class BacktestAnswer(Response, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What the given settings would have flagged; `earnings` is the number of judged earnings."""

    from_: str
    to: str
    earnings: int
    detectors: list[BacktestDetector]
