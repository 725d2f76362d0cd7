"""W3C trace context, passed on from a caller's request to the requests and events that it causes, and the
spans of that trace, where an endpoint for them is configured.

Without an endpoint, only the context is passed on. A batch has one span, whatever its size.
"""

import contextlib
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Final

from libs.observability import recorder
from libs.observability.recorder import Attributes, Recorder, Span

HEADER: Final = recorder.HEADER
Kind = recorder.Kind
# A batch names the traces that it works for, up to this many.
MAX_LINKS: Final = 128

_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID: Final = slice(3, 35)


class _NoSpan:
    def rename(self, name: str) -> None:
        """Do nothing."""

    def set_http_status(self, status: int) -> None:
        """Do nothing."""


class _Process:
    """What records the spans of this process; None without an endpoint."""

    recorder: Recorder | None = None


_NO_SPAN: Final = _NoSpan()
_SAME_TRACE: Final = contextlib.nullcontext(_NO_SPAN)
_process: Final = _Process()
_current: ContextVar[str] = ContextVar("traceparent", default="")


def configure(*, service: str, endpoint: str) -> None:
    """Send the spans of this process to `endpoint`, the address of an OTLP/HTTP receiver; "" records
    none."""
    if endpoint:
        # Imported only where it is used: without an endpoint, tracing costs no memory and no start-up time.
        from libs.observability.spans import OtlpRecorder  # noqa: PLC0415

        _process.recorder = OtlpRecorder(service, endpoint)


def stop() -> None:
    """Send the spans that were not sent yet; the process is about to end."""
    if _process.recorder is not None:
        _process.recorder.stop()


def is_recording() -> bool:
    """Whether the spans of this process are recorded: only then is it worth preparing one."""
    return _process.recorder is not None


def is_valid(traceparent: str) -> bool:
    """Whether the text names a trace and a span, as the header does."""
    return _FORM.fullmatch(traceparent) is not None


def traceparent(incoming: str | None) -> str:
    """The caller's trace if it is valid, else a new one."""
    if incoming is not None and is_valid(incoming):
        return incoming
    # Random bits are drawn once: each draw is a call of the kernel.
    ids = secrets.token_hex(24)
    return f"00-{ids[:32]}-{ids[32:]}-01"


def current() -> str:
    """The trace of the current request or batch; "" without a trace."""
    return _current.get()


def record_headers() -> list[tuple[str, bytes | None]]:
    """The header that continues the current trace, for a record without other headers."""
    return [(HEADER, current().encode())] if current() else []


def current_trace_id() -> str:
    """The id that all spans of the current trace share; "" without a trace."""
    return _current.get()[_TRACE_ID]


class _Trace:
    """A context whose current trace is `traceparent`. A class, since it is entered for each request."""

    __slots__ = ("_token", "_traceparent")

    def __init__(self, traceparent: str) -> None:
        self._traceparent = traceparent

    def __enter__(self) -> Span:
        self._token = _current.set(self._traceparent)
        return _NO_SPAN

    def __exit__(self, *_error: object) -> None:
        _current.reset(self._token)


def use_trace(traceparent: str) -> AbstractContextManager[Span]:
    """Make `traceparent` the current trace in this context, and in the tasks that are started in it.
    An invalid value counts as no trace."""
    return _Trace(traceparent if is_valid(traceparent) else "")


def span(
    name: str,
    kind: Kind,
    *,
    parent: str | None = None,
    links: Sequence[str] = (),
    attributes: Attributes | None = None,
) -> AbstractContextManager[Span]:
    """A span as the current trace of this context. `parent` is the current trace by default; an invalid
    one counts as none."""
    recorder = _process.recorder
    if recorder is None:
        return _SAME_TRACE if parent is None else use_trace(parent)
    if parent is None:
        parent = current()
    elif not is_valid(parent):
        parent = ""
    return _recorded(
        recorder.record(name, kind, parent=parent, links=links, attributes=attributes or {})
    )


@contextlib.contextmanager
def _recorded(recording: AbstractContextManager[tuple[str, Span]]) -> Iterator[Span]:
    with recording as (traceparent, started), _Trace(traceparent):
        yield started


def request_span(
    name: str, incoming: str, *, attributes: Attributes | None = None
) -> AbstractContextManager[Span]:
    """The span of a request to this process. `incoming` is the caller's traceparent; without a valid one,
    the request begins a trace."""
    if _process.recorder is None:
        return _Trace(traceparent(incoming))
    return span(name, "server", parent=incoming, attributes=attributes)


def batch_span(
    name: str, kind: Kind, traceparents: Iterable[str], *, attributes: Attributes | None = None
) -> AbstractContextManager[Span]:
    """One span for a batch, whose items belong to these traces, "" for an item without one. A batch of a
    single trace belongs to it; any other begins a trace of its own, linked to up to MAX_LINKS of them.

    Without an endpoint, `traceparents` is not read, and there is no current trace.
    """
    if _process.recorder is None:
        return _Trace("")
    traces = _distinct(traceparents)
    if len(traces) == 1:
        return span(name, kind, parent=traces[0], attributes=attributes)
    links = [each for each in traces if each][:MAX_LINKS]
    return span(name, kind, parent="", links=links, attributes=attributes)


def _distinct(traceparents: Iterable[str]) -> list[str]:
    """The different ones, in their order, one more than MAX_LINKS at most; an invalid one is ""."""
    traces: dict[str, None] = {}
    for each in traceparents:
        traces[each if each and is_valid(each) else ""] = None
        if len(traces) > MAX_LINKS:
            break
    return list(traces)
