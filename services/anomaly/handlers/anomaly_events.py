"""The event that publishes a version of an anomaly."""

from datetime import datetime
from typing import Final

import msgspec
from msgspec import Raw

from libs.contracts.events import AnomalyChanged
from libs.contracts.topics import record_key
from libs.kernel.clock import format_time
from libs.messaging.cloudevents import encode_event
from libs.messaging.outbox import EncodedEvent
from libs.observability import tracing
from services.anomaly.domain.anomalies import ID_PREFIX, Anomaly

SOURCE: Final = "/services/anomaly"


def encode_version(anomaly: Anomaly, topic: str, now: datetime) -> EncodedEvent:
    """The anomaly's version as an event for the outbox."""
    resolved_at, merged_into = anomaly.resolved_at, anomaly.merged_into
    version = AnomalyChanged(
        store_id=anomaly.store_id,
        id=anomaly.public_id,
        version=anomaly.version,
        customer_id=anomaly.customer_id,
        type=anomaly.type,
        description=anomaly.description,
        points_involved=anomaly.points,
        status=anomaly.public_status,
        flagged_at=format_time(anomaly.flagged_at),
        transaction_ids=list(anomaly.transaction_ids),
        evidence=Raw(msgspec.json.encode(anomaly.evidence)),
        resolution=anomaly.resolution,
        note=anomaly.note,
        reviewed_by=anomaly.reviewed_by,
        reviewer=anomaly.reviewer,
        resolved_at=None if resolved_at is None else format_time(resolved_at),
        withdrawn=anomaly.status == "withdrawn",
        merged_into=None if merged_into is None else f"{ID_PREFIX}_{merged_into}",
    )
    return encode_event(
        version,
        topic=topic,
        key=record_key(anomaly.store_id, anomaly.customer_id),
        event_id=f"{anomaly.public_id}:{anomaly.version}",
        source=SOURCE,
        time=format_time(now),
        traceparent=tracing.current(),
    )
