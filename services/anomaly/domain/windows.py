"""Windows and digests: the short forms of a customer's history that screening works with."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from libs.contracts.anomalies import AnomalySettings
from services.anomaly.domain.deviation import day_limit
from services.anomaly.domain.earnings import (
    HISTORY_LIMIT,
    MS_PER_DAY,
    MS_PER_SECOND,
    Earning,
    RecordedEarning,
)
from services.anomaly.domain.screening import Screening

# A window starts with this many times `rapid_earning.count` earnings, and with 100 at least, so that
# late earnings find those around them. store/windows.lua trims windows to the same size.
_COUNTS_KEPT: Final = 4
_LEAST_KEPT: Final = 100


class Digest(Struct, frozen=True):
    """A customer's history in short: the event time of the latest earning, in milliseconds since
    1970, or None without any, and the points in the baselines by UTC day, counted from 1970."""

    latest: int | None
    days: Mapping[int, int]


class WindowContents(Struct, frozen=True, kw_only=True):
    """A window as the recorded earnings fill it.

    `floor` is the event time from which the window misses no earning. `day` is the customer's latest
    UTC day, `day_points` the points recorded on it, and `day_limit` as in `Screening`. `earnings` are
    the times and ids of the latest ones.
    """

    floor: int
    day: int
    day_points: int
    day_limit: int | None
    earnings: Sequence[tuple[int, str]]


def screen_by_digest(
    settings: AnomalySettings, digest: Digest, new: Sequence[Earning]
) -> Screening | None:
    """The screening of a customer without a window, where the digest is enough for it; else None.

    It is enough for a single new earning on a new day, later than a window's length after all
    others. Most customers earn like this, and their window would expire before it is ever used.
    """
    if len(new) != 1:
        return None
    (earning,) = new
    if digest.latest is not None:
        window_ms = settings.rapid_earning.window_seconds * MS_PER_SECOND
        if digest.latest // MS_PER_DAY == earning.day or earning.at <= digest.latest + window_ms:
            return None
    return Screening(
        is_late=False,
        densest=1,
        largest=earning.points,
        day_points=earning.points,
        day_limit=day_limit(settings.deviation, digest.days, earning.day),
    )


def window_contents(
    settings: AnomalySettings, history: Sequence[RecordedEarning], new: Sequence[Earning]
) -> WindowContents:
    """The window of a customer's `history`, ready to take the `new` earnings."""
    day = max(earning.day for earning in new)
    if history:
        day = max(day, history[-1].earning.day)
    size = max(_COUNTS_KEPT * settings.rapid_earning.count, _LEAST_KEPT)
    latest = history[-size:]
    is_complete = len(latest) == len(history) < HISTORY_LIMIT
    days: dict[int, int] = {}
    for recorded in history:
        if recorded.in_baselines:
            days[recorded.earning.day] = days.get(recorded.earning.day, 0) + recorded.earning.points
    return WindowContents(
        floor=0 if is_complete else latest[0].earning.at + 1,
        day=day,
        day_points=sum(
            recorded.earning.points for recorded in history if recorded.earning.day == day
        ),
        day_limit=day_limit(settings.deviation, days, day),
        earnings=[recorded.earning.position for recorded in latest],
    )
