"""The client's own key, the store's clock, and the state of the system."""

from datetime import datetime

from whale_loyalty._operation import Operation, read, write
from whale_loyalty.models import CallingKey, Clock, Pipeline

_CLOCK = "loyalty/clock"


def get_key() -> Operation[CallingKey]:
    """The client's API key: its store, name and scopes."""
    return read("key", CallingKey)


def get_pipeline() -> Operation[Pipeline]:
    """Whether all services are ready, and how far each step is behind."""
    return read("loyalty/pipeline", Pipeline)


def get_clock() -> Operation[Clock]:
    """What the store calls now. Raises NotFound unless the system is a local one."""
    return read(_CLOCK, Clock)


def move_clock(now: datetime | str, *, idempotency_key: str | None = None) -> Operation[Clock]:
    """Move the store's clock forward to `now`, a time with an offset, up to 20 years ahead. Raises Conflict for
    an earlier time, and NotFound unless the system is a local one."""
    body = {"now": now}
    return write("PUT", _CLOCK, Clock, body=body, idempotency_key=idempotency_key)
