"""Earnings as the detectors judge them."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from libs.contracts.anomalies import AnomalyType

# The latest earnings of a customer that are read to judge the next one. A baseline needs no more, and
# a busy customer must not cost more with every earning.
HISTORY_LIMIT: Final = 4_000

MS_PER_SECOND: Final = 1_000
MS_PER_MINUTE: Final = 60_000
MS_PER_DAY: Final = 86_400_000

# Where an earning stands among a customer's: by event time, and for equal times by id, so that the
# order of arrival makes no difference.
Position = tuple[int, str]


class Earning(Struct, frozen=True):
    """One earning of a customer; `at` is its event time in milliseconds since 1970, UTC.

    An `excluded` earning stays out of every baseline, whatever the detectors find. Detectors of the
    types in `exempt_from` skip it, because it belongs to an anomaly that they can no longer change.
    A finding of `settled` earnings alone changes no anomaly, so it takes none of them out of the
    baselines.
    """

    id: str
    points: int
    at: int
    excluded: bool = False
    exempt_from: frozenset[AnomalyType] = frozenset()
    settled: bool = False

    @property
    def position(self) -> Position:
        return self.at, self.id

    @property
    def day(self) -> int:
        """The UTC day, counted from 1970."""
        return self.at // MS_PER_DAY


class RecordedEarning(Struct, frozen=True):
    """An earning as it is recorded: the revision of the settings that judged it first, and whether
    it belongs to the baselines now."""

    earning: Earning
    settings_revision: int
    in_baselines: bool


def in_order(earnings: Iterable[Earning]) -> list[Earning]:
    """The earnings by position, without duplicates."""
    return sorted(
        {earning.id: earning for earning in earnings}.values(), key=lambda earning: earning.position
    )
