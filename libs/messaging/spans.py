"""The spans of what is published to Kafka and consumed from it: one for each batch, joined to the traces of
its events."""

import contextlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from libs.messaging.outbox import EncodedEvent, RecordHeaders
from libs.observability import tracing

# The names of the topics, separated by commas.
TOPICS: Final = "messaging.destination.name"
_COUNT: Final = "messaging.batch.message_count"
_GROUP: Final = "messaging.consumer.group.name"


def publishing(events: Sequence[EncodedEvent]) -> AbstractContextManager[object]:
    """The span in which `events` are sent to the broker."""
    if not tracing.is_recording():
        return contextlib.nullcontext()
    return _batch("publish", "producer", [event.topic for event in events], map(_trace_of, events))


def publishing_dead_letters(topics: Sequence[str]) -> AbstractContextManager[object]:
    """The span in which dead letters are sent to the broker, one for each of `topics`. It is part of the
    current trace: that of the records which failed."""
    if not tracing.is_recording():
        return contextlib.nullcontext()
    return _batch("publish", "producer", topics, [tracing.current()])


def consuming(
    records: Sequence[Any], *, group: str, operation: str = "process"
) -> AbstractContextManager[object]:
    """The span in which a group processes `records`."""
    if not tracing.is_recording():
        return contextlib.nullcontext()
    return _batch(
        operation,
        "consumer",
        [record.topic for record in records],
        (_find_trace(record.headers) for record in records),
        group=group,
    )


def _batch(
    operation: str,
    kind: tracing.Kind,
    topics: Sequence[str],
    traceparents: Iterable[str],
    *,
    group: str | None = None,
) -> AbstractContextManager[object]:
    names = ",".join(sorted(set(topics)))
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        TOPICS: names,
        _COUNT: len(topics),
    }
    if group is not None:
        attributes[_GROUP] = group
    return tracing.batch_span(f"{operation} {names}", kind, traceparents, attributes=attributes)


def _trace_of(event: EncodedEvent) -> str:
    return event.traceparent or _find_trace(event.headers)


def _find_trace(headers: RecordHeaders | None) -> str:
    """The traceparent among a record's headers, "" without one."""
    for name, value in headers or ():
        if name == tracing.HEADER:
            return (value or b"").decode("latin-1")
    return ""
