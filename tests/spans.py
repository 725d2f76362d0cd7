"""Spans as a collector receives them: what they say about who called whom, and a trace as a drawing."""

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

from libs.contracts.graph import HTTP, OUTSIDE, Edge
from libs.messaging.spans import TOPICS

_KINDS: Final = {
    trace_pb2.Span.SPAN_KIND_SERVER: "server",
    trace_pb2.Span.SPAN_KIND_CLIENT: "client",
    trace_pb2.Span.SPAN_KIND_PRODUCER: "producer",
    trace_pb2.Span.SPAN_KIND_CONSUMER: "consumer",
    trace_pb2.Span.SPAN_KIND_INTERNAL: "internal",
}


class SeenSpan(Struct, frozen=True, kw_only=True):
    """A span that arrived. `links` are pairs of a trace and a span; times are in nanoseconds."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, str]
    start: int
    end: int

    @property
    def topics(self) -> frozenset[str]:
        return frozenset(self.attributes.get(TOPICS, "").split(",")) - {""}

    @property
    def traces(self) -> frozenset[str]:
        """Its trace, and those that it is linked to."""
        return frozenset({self.trace, *(trace for trace, _ in self.links)})

    @property
    def causes(self) -> frozenset[str]:
        """The ids of the spans that caused it."""
        return frozenset({self.parent, *(span for _, span in self.links)}) - {""}


class Receiver:
    """An OTLP/HTTP receiver that keeps what it gets."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.requests: list[bytes] = []

    def spans(self) -> list[SeenSpan]:
        """Every span so far."""
        return [span for request in list(self.requests) for span in _decode(request)]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port, until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_known = self.path == "/v1/traces"
            if is_known:
                receiver.requests.append(body)
            self.send_response(200 if is_known else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def _decode(request: bytes) -> Iterator[SeenSpan]:
    for resource in ExportTraceServiceRequest.FromString(request).resource_spans:
        about = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SeenSpan(
                    service=about["service.name"],
                    name=span.name,
                    kind=_KINDS[span.kind],
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    attributes={
                        each.key: each.value.string_value or str(each.value.int_value)
                        for each in span.attributes
                    },
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                )


# -- the graph


def edges_in(spans: Collection[SeenSpan]) -> set[Edge]:
    """The edges that spans prove: a request by the span of its caller, a topic by a trace that a span
    which published to it shares with a span which consumed from it."""
    by_id = {span.id: span for span in spans}
    producers = [span for span in spans if span.kind == "producer"]
    edges = set()
    for span in spans:
        if span.kind == "server":
            caller = by_id.get(span.parent)
            edges.add(Edge(OUTSIDE if caller is None else caller.service, HTTP, span.service))
        elif span.kind == "consumer":
            for topic in span.topics:
                for source in _publishers(span, topic, producers, by_id):
                    edges.add(Edge(source, topic, span.service))
    return edges


def _publishers(
    consumer: SeenSpan, topic: str, producers: Iterable[SeenSpan], known: Collection[str]
) -> set[str]:
    """The services that published to the topic what the span consumed. What a span of the system caused,
    but nobody published, comes from nowhere: the trace was cut."""
    services = {
        each.service for each in producers if topic in each.topics and each.traces & consumer.traces
    }
    if services:
        return services
    is_foreign = bool(consumer.causes) and not any(each in known for each in consumer.causes)
    return {OUTSIDE if is_foreign else "nowhere"}


# -- a drawing


def draw(spans: Sequence[SeenSpan], trace: str) -> str:
    """The spans of a trace and those linked to it, as a tree in the order of their starts, each with the
    milliseconds from the start of the trace, and its duration."""
    drawn = sorted((span for span in spans if trace in span.traces), key=lambda span: span.start)
    ids = {span.id for span in drawn}
    first = drawn[0].start
    lines: list[tuple[str, SeenSpan]] = []

    def add(parent: SeenSpan | None, indent: str) -> None:
        children = [
            span
            for span in drawn
            if (parent is None and not span.causes & ids)
            or (parent is not None and parent.id in span.causes)
        ]
        for number, span in enumerate(children):
            is_last = number == len(children) - 1
            branch = "" if parent is None else ("└─ " if is_last else "├─ ")
            lines.append((f"{indent}{branch}{span.service}: {span.name}", span))
            below = "" if parent is None else ("   " if is_last else "│  ")
            add(span, indent + below)

    add(None, "")
    width = max(len(text) for text, _ in lines)
    return "\n".join(
        f"{text:<{width}}  {(span.start - first) / 1e6:8.1f} ms  {(span.end - span.start) / 1e6:7.1f} ms"
        for text, span in lines
    )
