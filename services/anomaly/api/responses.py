"""Responses in the shapes of /v1: anomalies and settings."""

from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from libs.contracts import anomalies, api
from libs.contracts.anomalies import CurrentAnomalySettings
from libs.kernel.clock import format_time
from libs.persistence.idempotency import StoredResponse
from services.anomaly.domain.anomalies import Anomaly
from services.anomaly.store.stores import StoreSettings

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
        resolved_at=_time_or_unset(value.resolved_at),
        version=value.version,
        updated_at=format_time(value.updated_at or value.resolved_at or value.flagged_at),
        in_review_at=_time_or_unset(value.in_review_at),
    )


def reviewed(value: Anomaly) -> StoredResponse:
    return StoredResponse(200, api.encode(anomaly(value)))


def settings(value: StoreSettings) -> CurrentAnomalySettings:
    """The settings of a store as callers see them."""
    detectors = value.settings
    return CurrentAnomalySettings(
        rapid_earning=detectors.rapid_earning,
        unusual_amount=detectors.unusual_amount,
        deviation=detectors.deviation,
        version=value.version,
    )


def settings_replaced(value: StoreSettings) -> StoredResponse:
    return StoredResponse(200, api.encode(settings(value)))


def _time_or_unset(value: datetime | None) -> str | UnsetType:
    return UNSET if value is None else format_time(value)


def _or_unset(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value
