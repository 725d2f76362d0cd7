"""Many earnings of one customer within a short time. docs/rules/anomaly.md."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Final

from libs.contracts.anomalies import AnomalyType, RapidEarning
from services.anomaly.domain.awards import MS_A_MINUTE, MS_A_SECOND, Award, Finding, Past

TYPE: Final[AnomalyType] = "rapid_earning"


class Detector:
    """Finds every burst: the earnings of all windows that hold `count` or more, both ends included,
    windows that share an earning taken together."""

    def __init__(self, settings: RapidEarning) -> None:
        self._settings = settings
        self._window: deque[Award] = deque()
        self._bursts: list[list[Award]] = []

    def judge(self, award: Award, past: Past) -> Sequence[Award]:
        del past
        window = self._window
        window.append(award)
        while award.at - window[0].at > self._settings.window_seconds * MS_A_SECOND:
            window.popleft()
        if len(window) < self._settings.count:
            return ()
        last = self._bursts[-1][-1].order if self._bursts else None
        if last is None or last < window[0].order:
            self._bursts.append(list(window))
            return tuple(window)
        joining = list(takewhile(lambda one: one.order > last, reversed(window)))[::-1]
        self._bursts[-1] += joining
        return joining

    def findings(self) -> Iterator[Finding]:
        return (_finding(self._settings, burst) for burst in self._bursts)


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
