"""The REST shapes of anomalies and their settings. The fields that clients rely on come first."""

from typing import Literal

from msgspec import UNSET, Raw, UnsetType

from libs.contracts.api import Answer, Request

AnomalyType = Literal["rapid_earning", "unusual_amount", "deviation"]
AnomalyStatus = Literal["pending_review", "in_review", "resolved"]
Resolution = Literal["approved", "voided", "suspended"]
Mode = Literal["off", "shadow", "review"]


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
