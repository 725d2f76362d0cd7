"""One log line for each response from 400 on: a request id leads to the request and its outcome."""

import re
import time
from typing import Final

from libs.observability import logging, metrics

FIRST_REFUSED_STATUS: Final = 400
_FIRST_FAULT_OF_OURS: Final = 500
# Unauthenticated clients must not fill the disk; requests with a key have a rate limit.
_UNAUTHENTICATED_PER_SECOND: Final = 10
# A path may be as long as the server reads headers, and unauthenticated callers choose it freely.
_MAX_PATH_CHARACTERS: Final = 200
# Any text that begins like an API key: logs contain no keys, wherever callers put them.
_KEY: Final = re.compile(r"(wk_[a-z]+_)[A-Za-z0-9_-]+")

log = logging.get(__name__)


class Quota:
    """Allows `per_second` in each second, counted from the first that is allowed."""

    def __init__(self, *, per_second: int) -> None:
        self._per_second = per_second
        self._second_ends = 0.0
        self._remaining = 0

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = time.monotonic()
        if now >= self._second_ends:
            self._second_ends = now + 1.0
            self._remaining = self._per_second
        self._remaining -= 1
        return self._remaining >= 0


# All unauthenticated clients of the process share it, as they share the metric of what it drops.
_unauthenticated: Final = Quota(per_second=_UNAUTHENTICATED_PER_SECOND)


def log_response(
    *,
    request_id: str,
    method: str | None,
    status: int,
    code: str | None,
    seconds: float | None = None,
    route: str | None = None,
    path: str | None = None,
    store_id: str | None = None,
    key_name: str | None = None,
) -> None:
    """Log a response whose status is 400 or higher. `code` is the problem's code, `route` the path
    with placeholders, None if there is none; then the line has the decoded `path`.
    `store_id` and `key_name` are those of the key, None without a valid one. Lines without a key are
    limited, and the rest is counted."""
    if key_name is None and not _unauthenticated.take():
        metrics.RESPONSES_NOT_LOGGED.inc()
        return
    write = log.warning if status >= _FIRST_FAULT_OF_OURS else log.info
    write(
        "response",
        request_id=request_id,
        store_id=store_id,
        key_name=key_name,
        method=method,
        route=route,
        path=_loggable(path) if route is None and path is not None else None,
        status=status,
        code=code,
        ms=None if seconds is None else round(seconds * 1_000, 1),
    )


def _loggable(path: str) -> str:
    """The decoded path, shortened, without any API key that a caller put there."""
    masked = _KEY.sub(r"\1…", path)
    if len(masked) <= _MAX_PATH_CHARACTERS:
        return masked
    return masked[:_MAX_PATH_CHARACTERS] + "…"
