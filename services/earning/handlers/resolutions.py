"""Resolutions of anomalies, as postings of the ledger."""

from datetime import datetime
from typing import Final

from libs.contracts.api import MAX_REASON
from libs.contracts.events import AnomalyChanged
from services.earning.domain.resolutions import Resolution

_UNKNOWN_REVIEWER: Final = "?"


def build_resolution(event: AnomalyChanged, *, now: datetime) -> Resolution | None:
    """The posting for a resolved anomaly; None if it was approved."""
    if event.resolution not in {"voided", "suspended"}:
        return None
    return Resolution(
        store_id=event.store_id,
        customer_id=event.customer_id,
        anomaly_id=event.id,
        action="voided" if event.resolution == "voided" else "suspended",
        transaction_ids=tuple(event.transaction_ids),
        reason=f"Voided: {event.description}"[:MAX_REASON],
        note=event.note,
        resolved_by=event.reviewed_by or _UNKNOWN_REVIEWER,
        occurred_at=now,
    )
