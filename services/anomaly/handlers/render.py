"""Anomalies in the shapes of /v1 and of the event."""

from datetime import datetime
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from libs.contracts.anomalies import Anomaly as AnomalyAnswer
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
    """An anomaly as callers see it."""
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
        resolution=_set(shown.resolution),
        note=_set(shown.note),
        reviewed_by=_set(shown.reviewed_by),
        resolved_at=_set(_moment(shown.resolved_at)),
    )


def event(told: Anomaly, topic: str) -> EncodedEvent:
    """A version of an anomaly as the world is told of it."""
    anomaly_id = f"{ID_PREFIX}_{told.id}"
    changed = AnomalyChanged(
        store_id=told.store_id,
        id=anomaly_id,
        version=told.version,
        customer_id=told.customer_id,
        type=told.type,
        description=told.description,
        points_involved=told.points,
        status=_status(told),
        flagged_at=format_time(told.flagged_at),
        transaction_ids=list(told.transaction_ids),
        evidence=_evidence(told),
        resolution=told.resolution,
        note=told.note,
        reviewed_by=told.reviewed_by,
        resolved_at=_moment(told.resolved_at),
        withdrawn=told.status == "withdrawn",
        merged_into=None if told.merged_into is None else f"{ID_PREFIX}_{told.merged_into}",
    )
    return encode_event(
        changed,
        topic=topic,
        key=record_key(told.store_id, told.customer_id),
        event_id=f"{anomaly_id}:{told.version}",
        source=SOURCE,
        time=format_time(utc_now()),
        traceparent=tracing.current(),
    )


def _status(shown: Anomaly) -> Literal["pending_review", "in_review", "resolved"]:
    # Nobody had looked at what is withdrawn.
    return "pending_review" if shown.status == "withdrawn" else shown.status


def _evidence(shown: Anomaly) -> Raw:
    return Raw(msgspec.json.encode(shown.evidence))


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _set(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value
