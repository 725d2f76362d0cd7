"""What detectors look at, and what they find."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct, field

from libs.contracts.anomalies import AnomalyType

MS_A_SECOND: Final = 1_000
MS_A_MINUTE: Final = 60_000
MS_A_DAY: Final = 86_400_000


class Award(Struct, frozen=True):
    """An earning; `at` is its event time in milliseconds since 1970, UTC.

    `excluded` stays out of every baseline, whatever is found. `settled_for` names the detectors it
    no longer counts for, since people have judged an anomaly it was part of.
    """

    id: str
    points: int
    at: int
    excluded: bool = False
    settled_for: frozenset[AnomalyType] = frozenset()

    @property
    def order(self) -> tuple[int, str]:
        """By event time, and for equal times by id: the same whatever the order of arrival."""
        return self.at, self.id

    @property
    def day(self) -> int:
        """The UTC day, counted from 1970."""
        return self.at // MS_A_DAY


class Baseline(Struct, frozen=True):
    """The median points of `size` earnings."""

    median: Decimal
    size: int


class Finding(Struct, frozen=True, kw_only=True):
    """Suspicious earnings of one customer, in their order; `evidence` are the numbers it was judged
    by."""

    type: AnomalyType
    awards: tuple[Award, ...]
    description: str
    evidence: dict[str, Any]

    @property
    def points(self) -> int:
        return sum(award.points for award in self.awards)


class History(Struct, kw_only=True):
    """A customer's earnings in their order, and what the detectors so far have flagged of them.

    `store_before` answers the store's baseline before an earning, or None where it is not known
    yet: such earnings are gathered in `asked`, for the caller to look them up and judge again.
    """

    awards: Sequence[Award]
    store_before: Callable[[Award], Baseline | None]
    flagged: set[str] = field(default_factory=set)
    asked: list[Award] = field(default_factory=list)

    def counting_for(self, kind: AnomalyType) -> Iterator[Award]:
        """The earnings that a detector still judges."""
        return (award for award in self.awards if kind not in award.settled_for)

    def is_normal(self, award: Award) -> bool:
        """Whether an earning belongs to the baselines."""
        return not award.excluded and award.id not in self.flagged


def in_order(awards: Iterable[Award]) -> list[Award]:
    """By event time, each once."""
    return sorted({award.id: award for award in awards}.values(), key=lambda one: one.order)


def median(ordered: Sequence[int]) -> Decimal:
    """The middle of ascending numbers, or the mean of the two in the middle, exactly."""
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return Decimal(ordered[middle])
    return Decimal(ordered[middle - 1] + ordered[middle]) / 2


def as_number(value: Decimal) -> int | float:
    """A decimal as evidence shows it."""
    return int(value) if value == value.to_integral_value() else round(float(value), 2)
