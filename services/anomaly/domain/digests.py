"""Digests: a customer's recorded earnings in short, so that most new ones need no history."""

from bisect import insort
from collections.abc import Sequence

from msgspec import Struct

from libs.contracts.anomalies import RapidEarning
from services.anomaly.domain.earnings import (
    HISTORY_LIMIT,
    MS_PER_SECOND,
    Earning,
    RecordedEarning,
)
from services.anomaly.domain.screening import Screening


class Digest(Struct, array_like=True, gc=False):
    """A customer's recorded earnings in short, for one revision of the store's settings.

    `size` is their number, up to HISTORY_LIMIT. `recent` holds the event times of the latest one and of
    those within `rapid_earning.window_seconds` before it, at most as many as make a burst. `day` is the
    UTC day of the latest one, counted from 1970; `day_points` all points of that day, and
    `day_baseline` those of them that are in the baselines. `earlier_days` are the points in the
    baselines of each earlier day with any, ascending.
    """

    revision: int
    size: int
    recent: list[int]
    day: int
    day_points: int
    day_baseline: int
    earlier_days: list[int]

    def add(self, earning: Earning, rapid: RapidEarning) -> Screening | None:
        """Add the next earning, and return its screening; None where a digest does not suffice.

        That is so for a late earning, which changes the baselines of those after it, and on a new day
        of a customer with HISTORY_LIMIT earnings, of which the oldest leave the baselines. The
        digest is of no use then.
        """
        recent, at, day = self.recent, earning.at, earning.day
        if recent and at <= recent[-1]:
            return None
        if day != self.day:
            if self.size >= HISTORY_LIMIT:
                return None
            if self.day_baseline:
                insort(self.earlier_days, self.day_baseline)
            self.day, self.day_points, self.day_baseline = day, 0, 0
        self.size = min(self.size + 1, HISTORY_LIMIT)
        self.day_points += earning.points
        self.day_baseline += earning.points
        self.recent = recent = _within(rapid, at, [*recent, at])
        return Screening(earning.points, len(recent), self.day_points, self.earlier_days)


def make_digest(
    history: Sequence[RecordedEarning], rapid: RapidEarning, *, revision: int, day: int
) -> Digest:
    """The digest of a customer's latest earnings, by position, ready to take one of `day`."""
    day = max(day, history[-1].earning.day) if history else day
    days: dict[int, int] = {}
    for recorded in history:
        if recorded.in_baselines:
            days[recorded.earning.day] = days.get(recorded.earning.day, 0) + recorded.earning.points
    times = [recorded.earning.at for recorded in history[-rapid.count :]]
    return Digest(
        revision=revision,
        size=len(history),
        recent=_within(rapid, times[-1], times) if times else [],
        day=day,
        day_points=sum(
            recorded.earning.points for recorded in history if recorded.earning.day == day
        ),
        day_baseline=days.pop(day, 0),
        earlier_days=sorted(days.values()),
    )


def _within(rapid: RapidEarning, at: int, times: list[int]) -> list[int]:
    """Those of the ascending `times` from a burst's window before `at` on, at most as many as make a burst."""
    first = at - rapid.window_seconds * MS_PER_SECOND
    if times[0] >= first and len(times) <= rapid.count:
        return times
    return [time for time in times[-rapid.count :] if time >= first]
