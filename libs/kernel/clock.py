"""Time: always UTC, always milliseconds, written with a `Z`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

Clock = Callable[[], datetime]

# RFC 3339: a full date, a full time, an offset. `fromisoformat` alone would take much more.
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def utc_now() -> datetime:
    """The present, cut to milliseconds."""
    return truncate(datetime.now(UTC))


def truncate(moment: datetime) -> datetime:
    """`moment` in UTC without what is finer than a millisecond."""
    moment = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def format_time(moment: datetime) -> str:
    """`2026-03-10T12:00:00.000Z`; `moment` must be in UTC."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time with any offset as UTC; ValueError for anything else."""
    if not _RFC3339.fullmatch(text):
        msg = "not an RFC 3339 time with an offset, such as 2026-03-10T12:00:00.000Z"
        raise ValueError(msg)
    try:
        return truncate(datetime.fromisoformat(text.upper()))
    except OverflowError as error:
        msg = "out of the range of times"
        raise ValueError(msg) from error
