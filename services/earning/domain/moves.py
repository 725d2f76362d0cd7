"""Moves: how the dates of an account's points changed after they were posted.

An entry of the ledger keeps the date that its award had when it was posted, and so does each part that a
redemption drew. Setting changes and suspensions move dates later. Each leaves a `Move` on the account, and
the present date of an earlier award or part follows from the moves after its entry, in order.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from services.earning.domain.dates import NEVER, Day


class Move(Struct, frozen=True, kw_only=True, array_like=True):
    """A change of the dates of all points posted up to the entry `sequence`, of the setting's or of `own`
    dates. Points with a day before `first` had expired by then. Those with a day up to `until` get
    `floor`, unless their day is later; `from_never` gives `floor` to the setting's undated points too.

    `by_inactivity`: the points before `first` expired by inactivity, all together.
    """

    sequence: int
    own: bool
    first: Day
    until: Day
    floor: Day
    from_never: bool = False
    by_inactivity: bool = False

    def target(self, day: Day) -> Day:
        """The day of points that had `day` and had not expired."""
        if day == NEVER:
            return self.floor if self.from_never else NEVER
        return max(day, self.floor) if day <= self.until else day


class Dated(NamedTuple):
    """The present date of an award or part. If `is_over`, it has passed, and the points expired on it or
    were spent before; `by_inactivity`, on it or on a later day, with everything else."""

    day: Day
    is_over: bool = False
    by_inactivity: bool = False


def follow(moves: Iterable[Move], day: Day, *, own: bool, sequence: int) -> Dated:
    """What the moves made of `day`, the date of an award or part of the entry `sequence`. Whether the
    date that results has passed by now is for the caller to say."""
    for move in moves:
        if move.own == own and move.sequence >= sequence:
            if day < move.first:
                return Dated(day, is_over=True, by_inactivity=move.by_inactivity)
            day = move.target(day)
    return Dated(day)
