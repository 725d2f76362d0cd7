"""Anomalies, their review, and the detectors' settings."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from msgspec import UNSET, UnsetType

from whale_loyalty._operation import (
    Listing,
    Operation,
    encode,
    listing,
    read,
    segment,
    without_unset,
    write,
)
from whale_loyalty.models import (
    Anomaly,
    AnomalySettings,
    Backtest,
    Deviation,
    RapidEarning,
    UnusualAmount,
)
from whale_loyalty.values import AnomalyOrder, AnomalyStatus, AnomalyType, Mode, Resolution

_ANOMALIES = "loyalty/anomalies"
_SETTINGS = "loyalty/anomaly-settings"

Detector = Mapping[str, Any]


def list_anomalies(
    *,
    status: AnomalyStatus | Iterable[AnomalyStatus] | None = None,
    type: AnomalyType | None = None,
    resolution: Resolution | None = None,
    customer_id: str | None = None,
    order: AnomalyOrder | None = None,
    flagged_after: datetime | str | None = None,
    flagged_before: datetime | str | None = None,
    mode: Mode | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[Anomaly]:
    """Anomalies, newest first or in another `order`; with several values of `status`, those with any; with
    a `resolution`, those resolved in this way.

    `flagged_after` and `flagged_before` are inclusive and must have an offset. With `mode="shadow"`, the
    findings of detectors in that mode, which nobody reviews.
    """
    statuses = status if status is None or isinstance(status, str) else ",".join(status)
    return listing(
        _ANOMALIES,
        Anomaly,
        get_id=lambda item: item.id,
        status=statuses,
        type=type,
        resolution=resolution,
        customer_id=customer_id,
        order=order,
        flagged_after=flagged_after,
        flagged_before=flagged_before,
        mode=mode,
        limit=limit,
        starting_after=starting_after,
    )


def retrieve(anomaly_id: str) -> Operation[Anomaly]:
    """One anomaly."""
    return read(f"{_ANOMALIES}/{segment(anomaly_id)}", Anomaly)


def update(
    anomaly_id: str,
    *,
    status: AnomalyStatus,
    resolution: Resolution | None = None,
    note: str | None = None,
    reviewer: str | None = None,
    version: int | None = None,
    idempotency_key: str | None = None,
) -> Operation[Anomaly]:
    """Claim an anomaly for review (`in_review`), give the claim up (`pending_review`), or resolve the
    anomaly (`resolved`), which is final.

    `resolution` is approved, voided or suspended. `reviewer` is the name of the person who decides. With
    `version`, raises Conflict if the anomaly has another version by now.
    """
    body = without_unset(
        status=status,
        resolution=UNSET if resolution is None else resolution,
        note=UNSET if note is None else note,
        reviewer=UNSET if reviewer is None else reviewer,
        version=UNSET if version is None else version,
    )
    path = f"{_ANOMALIES}/{segment(anomaly_id)}"
    return write("PATCH", path, Anomaly, body=body, idempotency_key=idempotency_key)


def get_settings() -> Operation[AnomalySettings]:
    """The detectors' modes and parameters."""
    return read(_SETTINGS, AnomalySettings)


def update_settings(
    *,
    rapid_earning: RapidEarning | Detector | UnsetType = UNSET,
    unusual_amount: UnusualAmount | Detector | UnsetType = UNSET,
    deviation: Deviation | Detector | UnsetType = UNSET,
    version: int | UnsetType | None = UNSET,
    idempotency_key: str | None = None,
) -> Operation[AnomalySettings]:
    """Replace the settings: an omitted detector or parameter is reset to its default.

    With `version`, raises Conflict if the settings have another version by now.
    """
    body = without_unset(
        rapid_earning=rapid_earning,
        unusual_amount=unusual_amount,
        deviation=deviation,
        version=version,
    )
    return write("PUT", _SETTINGS, AnomalySettings, body=body, idempotency_key=idempotency_key)


def backtest(
    settings: AnomalySettings | Mapping[str, Any], *, from_: date | str, to: date | str
) -> Operation[Backtest]:
    """Test settings on history: what they flag in the UTC days from `from_` to `to`. Changes nothing."""
    body = {"settings": settings, "from": from_, "to": to}
    return Operation(
        method="POST", path=f"{_SETTINGS}/backtest", response_type=Backtest, body=encode(body)
    )
