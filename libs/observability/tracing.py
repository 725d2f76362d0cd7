"""W3C trace context: handed on from the shop's request to whatever it causes."""

import contextlib
import re
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

HEADER: Final = "traceparent"

_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent(given: str | None) -> str:
    """The caller's trace where it is a valid one, else the start of a new one."""
    if given is not None and _FORM.fullmatch(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


_current: ContextVar[str] = ContextVar("traceparent", default="")


def current() -> str:
    """The trace of the request that is being served, or "" outside of requests and without one."""
    return _current.get()


@contextlib.contextmanager
def carried(given: str) -> Iterator[None]:
    """Inside this context, and in the tasks begun in it, a request with the trace `given` is being
    served. What is no valid one is none."""
    token = _current.set(given if _FORM.fullmatch(given) else "")
    try:
        yield
    finally:
        _current.reset(token)
