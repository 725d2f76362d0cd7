"""Screenings by their definition: computed from all earnings of a customer, without a digest."""

from collections.abc import Sequence

from libs.contracts.anomalies import AnomalySettings
from services.anomaly.domain.earnings import MS_PER_SECOND, Earning, RecordedEarning
from services.anomaly.domain.screening import Screening


def screening_of(
    settings: AnomalySettings, history: Sequence[RecordedEarning], new: Earning
) -> Screening | None:
    """The screening of a `new` earning after `history`; None where it is late."""
    if any(one.earning.at >= new.at for one in history):
        return None
    rapid = settings.rapid_earning
    first = new.at - rapid.window_seconds * MS_PER_SECOND
    days: dict[int, int] = {}
    for one in history:
        if one.in_baselines and one.earning.day < new.day:
            days[one.earning.day] = days.get(one.earning.day, 0) + one.earning.points
    return Screening(
        points=new.points,
        recent=min(1 + sum(one.earning.at >= first for one in history), rapid.count),
        day_points=new.points
        + sum(one.earning.points for one in history if one.earning.day == new.day),
        earlier_days=sorted(days.values()),
    )
