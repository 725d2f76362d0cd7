"""The operations of the anomaly service: anomalies and the detectors' settings."""

from typing import Final, get_args

from libs.contracts import anomalies
from libs.contracts.operations.operation import (
    BACKTEST_WEIGHT,
    CUSTOMER_FILTER,
    PAGE,
    Operation,
    choice,
    choices,
    moment,
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
        summary="List flagged anomalies, newest first or in another order.",
        query=(
            *PAGE,
            choices(
                "status",
                "Only anomalies with this status, or with one of several, as in "
                "`pending_review,in_review`.",
                *get_args(anomalies.AnomalyStatus),
            ),
            choice("type", "Only anomalies of this type.", *anomalies.ANOMALY_TYPES),
            choice(
                "resolution",
                "Only anomalies resolved in this way. With a `status`, that has to include `resolved`; "
                "findings in shadow have no resolution.",
                *get_args(anomalies.Resolution),
            ),
            CUSTOMER_FILTER,
            choice(
                "order",
                "`flagged_at`: oldest first; `-flagged_at`, the default: newest first; "
                "`-points_involved`: most points first.",
                *get_args(anomalies.AnomalyOrder),
            ),
            moment("flagged_after", "Flagged at this time or later."),
            moment("flagged_before", "Flagged at this time or earlier."),
            choice(
                "mode",
                "`shadow`: the findings of detectors in the mode shadow, which nobody can review, "
                "instead of anomalies for review.",
                "review",
                "shadow",
            ),
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
        summary="Start the review of an anomaly, stop it, or resolve the anomaly permanently.",
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
        response=anomalies.CurrentAnomalySettings,
    ),
    Operation(
        id="updateAnomalySettings",
        method="PUT",
        path="loyalty/anomaly-settings",
        owner="anomaly",
        scope="manage",
        summary="Replace the detectors' modes and parameters; omitted ones get their default values.",
        request=anomalies.AnomalySettingsInput,
        response=anomalies.CurrentAnomalySettings,
        errors=("conflict",),
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
