"""Many earnings of one customer within a short time. docs/rules/anomaly.md."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import ClassVar, Final

from libs.contracts.anomalies import AnomalyType, RapidEarning
from services.anomaly.domain.baselines import CustomerBaseline
from services.anomaly.domain.earnings import MS_PER_MINUTE, MS_PER_SECOND, Earning
from services.anomaly.domain.findings import Finding
from services.anomaly.domain.screening import Screening

TYPE: Final[AnomalyType] = "rapid_earning"


class Detector:
    """Finds every burst: the earnings of all windows that hold `count` or more, both ends included,
    windows that share an earning taken together."""

    THRESHOLD: ClassVar = "count"

    def __init__(self, settings: RapidEarning) -> None:
        self._settings = settings
        self._window: deque[Earning] = deque()
        self._bursts: list[list[Earning]] = []

    def judge(self, earning: Earning, baseline: CustomerBaseline) -> Sequence[Earning]:
        del baseline
        window = self._window
        window.append(earning)
        while earning.at - window[0].at > self._settings.window_seconds * MS_PER_SECOND:
            window.popleft()
        if len(window) < self._settings.count:
            return ()
        last = self._bursts[-1][-1].position if self._bursts else None
        if last is None or last < window[0].position:
            self._bursts.append(list(window))
            return tuple(window)
        joining = list(takewhile(lambda earlier: earlier.position > last, reversed(window)))[::-1]
        self._bursts[-1] += joining
        return joining

    def findings(self) -> Iterator[Finding]:
        return (_finding(self._settings, burst) for burst in self._bursts)

    @staticmethod
    def may_flag(settings: RapidEarning, screening: Screening) -> bool:
        return screening.recent >= settings.count


def _finding(settings: RapidEarning, burst: Sequence[Earning]) -> Finding:
    minutes = max(1, -((burst[0].at - burst[-1].at) // MS_PER_MINUTE))
    unit = "minute" if minutes == 1 else "minutes"
    return Finding(
        type=TYPE,
        earnings=tuple(burst),
        description=f"{len(burst)} point transactions in {minutes} {unit}",
        evidence={
            "transactions": len(burst),
            "seconds": (burst[-1].at - burst[0].at) / MS_PER_SECOND,
            "count": settings.count,
            "window_seconds": settings.window_seconds,
        },
    )
