"""The operations of the anomaly service: anomalies and the detectors' settings."""

from typing import Final

from libs.contracts import anomalies
from libs.contracts.operations.operation import (
    BACKTEST_WEIGHT,
    CUSTOMER_FILTER,
    PAGE,
    Operation,
    choice,
    subject,
)

_ANOMALY: Final = subject("The id of an anomaly, `anom_…`.")

ANOMALY: Final[tuple[Operation, ...]] = (
    Operation(
        id="listAnomalies",
        method="GET",
        path="loyalty/anomalies",
        owner="anomaly",
        scope="read",
        summary="List flagged anomalies, newest first.",
        query=(
            *PAGE,
            choice(
                "status",
                "Only anomalies with this status.",
                *("pending_review", "in_review", "resolved"),
            ),
            choice("type", "Only anomalies of this type.", *anomalies.ANOMALY_TYPES),
            CUSTOMER_FILTER,
        ),
        response=anomalies.Anomaly,
        listed=True,
    ),
    Operation(
        id="getAnomaly",
        method="GET",
        path="loyalty/anomalies/{id}",
        owner="anomaly",
        scope="read",
        summary="Get an anomaly.",
        subject=_ANOMALY,
        response=anomalies.Anomaly,
    ),
    Operation(
        id="updateAnomaly",
        method="PATCH",
        path="loyalty/anomalies/{id}",
        owner="anomaly",
        scope="manage",
        summary="Start the review of an anomaly, or resolve it permanently.",
        subject=_ANOMALY,
        request=anomalies.AnomalyPatch,
        response=anomalies.Anomaly,
        errors=("conflict",),
    ),
    Operation(
        id="getAnomalySettings",
        method="GET",
        path="loyalty/anomaly-settings",
        owner="anomaly",
        scope="read",
        summary="Get the detectors' modes and parameters.",
        response=anomalies.AnomalySettings,
    ),
    Operation(
        id="updateAnomalySettings",
        method="PUT",
        path="loyalty/anomaly-settings",
        owner="anomaly",
        scope="manage",
        summary="Replace the detectors' modes and parameters; omitted ones get their default values.",
        request=anomalies.AnomalySettings,
        response=anomalies.AnomalySettings,
    ),
    Operation(
        id="backtestAnomalySettings",
        method="POST",
        path="loyalty/anomaly-settings/backtest",
        owner="anomaly",
        scope="read",
        summary="Count what other settings would have flagged, without changing anything.",
        request=anomalies.BacktestRequest,
        response=anomalies.BacktestAnswer,
        weight=BACKTEST_WEIGHT,
    ),
)
