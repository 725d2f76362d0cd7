"""Time: always UTC, always milliseconds, written with a `Z`."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

Clock = Callable[[], datetime]

# RFC 3339: a full date, a full time, an offset. `fromisoformat` alone would take much more.
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def utc_now() -> datetime:
    """The present, cut to milliseconds."""
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1_000, UTC)


def truncate(moment: datetime) -> datetime:
    """`moment` in UTC without what is finer than a millisecond."""
    moment = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    finer = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - finer) if finer else moment


# A batch writes each of its moments several times: in the entry, in the order, in the event.
@lru_cache(maxsize=8_192)
def format_time(moment: datetime) -> str:
    """`2026-03-10T12:00:00.000Z`; `moment` must be in UTC."""
    return f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time with any offset as UTC; ValueError for anything else."""
    if not _RFC3339.fullmatch(text):
        msg = "must be an RFC 3339 time with an offset, as in 2026-03-10T12:00:00Z"
        raise ValueError(msg)
    try:
        return truncate(datetime.fromisoformat(text.upper()))
    except OverflowError as error:
        msg = "must be in the years 1 to 9999 in UTC"
        raise ValueError(msg) from error
