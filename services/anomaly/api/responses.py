"""Responses in the shapes of /v1: anomalies and settings."""

from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from libs.contracts import anomalies, api
from libs.contracts.anomalies import AnomalySettings
from libs.kernel.clock import format_time
from libs.persistence.idempotency import StoredResponse
from services.anomaly.domain.anomalies import Anomaly

T = TypeVar("T")


def anomaly(value: Anomaly) -> anomalies.Anomaly:
    """An anomaly as callers see it."""
    return anomalies.Anomaly(
        id=value.public_id,
        customer_id=value.customer_id,
        type=value.type,
        description=value.description,
        points_involved=value.points,
        status=value.public_status,
        flagged_at=format_time(value.flagged_at),
        transaction_ids=list(value.transaction_ids),
        evidence=Raw(msgspec.json.encode(value.evidence)),
        resolution=_or_unset(value.resolution),
        note=_or_unset(value.note),
        reviewed_by=_or_unset(value.reviewed_by),
        reviewer=_or_unset(value.reviewer),
        resolved_at=UNSET if value.resolved_at is None else format_time(value.resolved_at),
    )


def reviewed(value: Anomaly) -> StoredResponse:
    return StoredResponse(200, api.encode(anomaly(value)))


def settings_replaced(value: AnomalySettings) -> StoredResponse:
    return StoredResponse(200, api.encode(value))


def _or_unset(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value
