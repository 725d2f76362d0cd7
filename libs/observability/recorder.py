"""What records the spans of a process: the interface between the current trace and OpenTelemetry, which is
imported only where spans are recorded."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Literal, Protocol

HEADER: Final = "traceparent"

Kind = Literal["server", "client", "producer", "consumer", "internal"]
Attributes = Mapping[str, str | int]


class Span(Protocol):
    """A span that is in progress."""

    def rename(self, name: str) -> None: ...
    def set_http_status(self, status: int) -> None:
        """Record the status of the response; one from 500 on makes the span a failed one."""


class Recorder(Protocol):
    """Records spans. A span ends with its context; an exception makes it a failed one."""

    def record(
        self, name: str, kind: Kind, *, parent: str, links: Sequence[str], attributes: Attributes
    ) -> AbstractContextManager[tuple[str, Span]]:
        """The traceparent of a new span, and the span. `parent` and `links` are traceparents; a span
        without a parent begins a trace."""

    def stop(self) -> None:
        """Send what was recorded, for at most a few seconds."""
