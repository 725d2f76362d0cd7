"""Screenings by their definition: computed from all earnings of a customer, without a window."""

from collections.abc import Sequence

from libs.contracts.anomalies import AnomalySettings
from services.anomaly.domain.deviation import day_limit
from services.anomaly.domain.earnings import MS_PER_SECOND, Earning, RecordedEarning
from services.anomaly.domain.screening import Screening


def screening_of(
    settings: AnomalySettings, history: Sequence[RecordedEarning], new: Sequence[Earning]
) -> Screening:
    """The screening of the `new` earnings, in their order of arrival, after `history`."""
    window_ms = settings.rapid_earning.window_seconds * MS_PER_SECOND
    recorded = [one.earning for one in history]
    everything = [*recorded, *new]
    day = max(one.day for one in everything)
    days: dict[int, int] = {}
    for one in history:
        if one.in_baselines:
            days[one.earning.day] = days.get(one.earning.day, 0) + one.earning.points
    return Screening(
        is_late=any(
            one.day < day or any(one.at <= other.at for other in (*recorded, *new[:place]))
            for place, one in enumerate(new)
        ),
        densest=max(
            sum(abs(other.at - one.at) <= window_ms for other in (*recorded, *new[: place + 1]))
            for place, one in enumerate(new)
        ),
        largest=max(one.points for one in new),
        day_points=sum(one.points for one in everything if one.day == day),
        day_limit=day_limit(settings.deviation, days, day),
    )
