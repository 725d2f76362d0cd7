"""Spans by OpenTelemetry, sent over OTLP/HTTP by a thread of their own."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.observability.recorder import HEADER, Attributes, Kind, Span

_PATH: Final = "/v1/traces"
# Spans are of use within seconds; the queue holds those of one second of a busy process.
_SEND_EVERY_MS: Final = 1_000
_MAX_QUEUED: Final = 8_192
_REQUEST_SECONDS: Final = 3.0
# A process that stops has 15 seconds for everything.
_STOP_SECONDS: Final = 2.0
_FIRST_FAULT_OF_OURS: Final = 500

_context: Final = TraceContextTextMapPropagator()
_KINDS: Final[dict[Kind, SpanKind]] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}


class _RecordedSpan:
    """As `Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set_http_status(self, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if status >= _FIRST_FAULT_OF_OURS:
            self._span.set_status(Status(StatusCode.ERROR))


class OtlpRecorder:
    """Records the spans of `service` and sends them to the OTLP/HTTP receiver at `endpoint`. While it is
    unavailable, spans beyond the queue are dropped."""

    def __init__(self, service: str, endpoint: str) -> None:
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _PATH, timeout=_REQUEST_SECONDS),
            max_queue_size=_MAX_QUEUED,
            schedule_delay_millis=_SEND_EVERY_MS,
        )
        provider = TracerProvider(
            resource=Resource.create({"service.name": service, "process.pid": os.getpid()}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("whale_loyalty")

    @contextlib.contextmanager
    def record(
        self, name: str, kind: Kind, *, parent: str, links: Sequence[str], attributes: Attributes
    ) -> Iterator[tuple[str, Span]]:
        """As `Recorder`. The context of OpenTelemetry stays empty: the current trace is the one of
        libs.observability.tracing, with and without an endpoint."""
        span = self._tracer.start_span(
            name,
            context=_extract(parent),
            kind=_KINDS[kind],
            links=[
                Link(trace.get_current_span(_extract(each)).get_span_context()) for each in links
            ],
            attributes=attributes,
        )
        carrier: dict[str, str] = {}
        _context.inject(carrier, context=trace.set_span_in_context(span, Context()))
        try:
            yield carrier[HEADER], _RecordedSpan(span)
        except BaseException as error:
            # The type alone: a message may quote what a customer sent.
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            span.end()

    def stop(self) -> None:
        """As `Recorder`. OpenTelemetry would wait for half a minute."""
        sending = threading.Thread(target=self._processor.shutdown, daemon=True)
        sending.start()
        sending.join(_STOP_SECONDS)


def _extract(traceparent: str) -> Context:
    return _context.extract({HEADER: traceparent}, context=Context())
