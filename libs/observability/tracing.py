"""W3C trace context: passed on from a shop's request to the requests and events it causes."""

import contextlib
import re
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

HEADER: Final = "traceparent"

_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent(incoming: str | None) -> str:
    """The caller's trace if it is valid, else a new one."""
    if incoming is not None and _FORM.fullmatch(incoming):
        return incoming
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


_current: ContextVar[str] = ContextVar("traceparent", default="")


def current() -> str:
    """The trace of the current request; "" outside of requests, and in requests without a trace."""
    return _current.get()


@contextlib.contextmanager
def use_trace(traceparent: str) -> Iterator[None]:
    """Make `traceparent` the current trace in this context, and in the tasks that are started in it.
    An invalid value counts as no trace."""
    token = _current.set(traceparent if _FORM.fullmatch(traceparent) else "")
    try:
        yield
    finally:
        _current.reset(token)
