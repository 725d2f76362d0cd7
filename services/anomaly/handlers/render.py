"""Anomalies rendered as /v1 and the events show them."""

from datetime import datetime
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from libs.contracts.anomalies import Anomaly as AnomalyAnswer
from libs.contracts.anomalies import AnomalyStatus
from libs.contracts.events import AnomalyChanged
from libs.contracts.topics import record_key
from libs.kernel.clock import format_time, utc_now
from libs.messaging.cloudevents import encode_event
from libs.messaging.outbox import EncodedEvent
from libs.observability import tracing
from services.anomaly.domain.anomalies import Anomaly

SOURCE: Final = "/services/anomaly"
ID_PREFIX: Final = "anom"

T = TypeVar("T")


def anomaly(shown: Anomaly) -> AnomalyAnswer:
    """An anomaly as /v1 shows it."""
    return AnomalyAnswer(
        id=f"{ID_PREFIX}_{shown.id}",
        customer_id=shown.customer_id,
        type=shown.type,
        description=shown.description,
        points_involved=shown.points,
        status=_status(shown),
        flagged_at=format_time(shown.flagged_at),
        transaction_ids=list(shown.transaction_ids),
        evidence=_evidence(shown),
        resolution=_optional(shown.resolution),
        note=_optional(shown.note),
        reviewed_by=_optional(shown.reviewed_by),
        resolved_at=_optional(_moment(shown.resolved_at)),
    )


def event(shown: Anomaly, topic: str) -> EncodedEvent:
    """The event of an anomaly's current version."""
    anomaly_id = f"{ID_PREFIX}_{shown.id}"
    value = AnomalyChanged(
        store_id=shown.store_id,
        id=anomaly_id,
        version=shown.version,
        customer_id=shown.customer_id,
        type=shown.type,
        description=shown.description,
        points_involved=shown.points,
        status=_status(shown),
        flagged_at=format_time(shown.flagged_at),
        transaction_ids=list(shown.transaction_ids),
        evidence=_evidence(shown),
        resolution=shown.resolution,
        note=shown.note,
        reviewed_by=shown.reviewed_by,
        resolved_at=_moment(shown.resolved_at),
        withdrawn=shown.status == "withdrawn",
        merged_into=None if shown.merged_into is None else f"{ID_PREFIX}_{shown.merged_into}",
    )
    return encode_event(
        value,
        topic=topic,
        key=record_key(shown.store_id, shown.customer_id),
        event_id=f"{anomaly_id}:{shown.version}",
        source=SOURCE,
        time=format_time(utc_now()),
        traceparent=tracing.current(),
    )


def _status(shown: Anomaly) -> AnomalyStatus:
    # An anomaly is withdrawn only while it is pending.
    return "pending_review" if shown.status == "withdrawn" else shown.status


def _evidence(shown: Anomaly) -> Raw:
    return Raw(msgspec.json.encode(shown.evidence))


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _optional(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value
