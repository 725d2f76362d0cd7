"""Many earnings of one customer within a short time. docs/rules/anomaly.md."""

from collections.abc import Iterator, Sequence
from typing import Final

from libs.contracts.anomalies import AnomalyType, RapidEarning
from services.anomaly.domain.awards import MS_A_MINUTE, MS_A_SECOND, Award, Finding, History

TYPE: Final[AnomalyType] = "rapid_earning"


def find(settings: RapidEarning, history: History) -> Iterator[Finding]:
    """Every burst: the earnings of all windows that hold `count` or more, windows that share an
    earning taken together."""
    awards = list(history.counting_for(TYPE))
    for first, last in _bursts(awards, settings.count, settings.window_seconds * MS_A_SECOND):
        yield _finding(settings, awards[first : last + 1])


def _bursts(awards: Sequence[Award], count: int, window: int) -> Iterator[tuple[int, int]]:
    """The first and last place of each burst; `window` in milliseconds, both ends included."""
    burst: tuple[int, int] | None = None
    first = 0
    for last, award in enumerate(awards):
        while award.at - awards[first].at > window:
            first += 1
        if last - first + 1 < count:
            continue
        if burst is not None and first > burst[1]:
            yield burst
            burst = None
        burst = (first if burst is None else burst[0], last)
    if burst is not None:
        yield burst


def _finding(settings: RapidEarning, awards: Sequence[Award]) -> Finding:
    minutes = max(1, -((awards[0].at - awards[-1].at) // MS_A_MINUTE))
    unit = "minute" if minutes == 1 else "minutes"
    return Finding(
        type=TYPE,
        awards=tuple(awards),
        description=f"{len(awards)} point transactions in {minutes} {unit}",
        evidence={
            "transactions": len(awards),
            "seconds": (awards[-1].at - awards[0].at) / MS_A_SECOND,
            "count": settings.count,
            "window_seconds": settings.window_seconds,
        },
    )
