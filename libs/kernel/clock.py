"""Times: always in UTC and in milliseconds, written with a `Z`."""

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

Clock = Callable[[], datetime]

# RFC 3339: a full date, a full time, an offset. `fromisoformat` accepts many other formats.
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def utc_now() -> datetime:
    """The current time, truncated to milliseconds."""
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1_000, UTC)


def truncate(moment: datetime) -> datetime:
    """`moment` in UTC, truncated to milliseconds."""
    moment = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    surplus = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - surplus) if surplus else moment


# A batch formats each of its times repeatedly: for the ledger entry, the order and the event.
@lru_cache(maxsize=8_192)
def format_time(moment: datetime) -> str:
    """`2026-03-10T12:00:00.000Z`; `moment` must be in UTC."""
    return f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def parse_date(text: str) -> date:
    """Parse a date as in 2026-03-10. Raises ValueError, whose text is shown to the caller, for any other
    text."""
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        parsed = None
    # `fromisoformat` accepts other formats too.
    if parsed is None or parsed.isoformat() != text:
        msg = "must be a date, as in 2026-03-10"
        raise ValueError(msg)
    return parsed


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 time with any offset into UTC. Raises ValueError, whose text is shown to the
    caller, for any other text and for a time outside the range of `datetime`."""
    if not _RFC3339.fullmatch(text):
        msg = "must be an RFC 3339 time with an offset, as in 2026-03-10T12:00:00Z"
        raise ValueError(msg)
    try:
        return truncate(datetime.fromisoformat(text.upper()))
    except OverflowError as error:
        msg = "must be in the years 1 to 9999 in UTC"
        raise ValueError(msg) from error
