"""The cycle of an account in a batch, with what the batch read about it.

Accounts of stores in which nothing expires or waits have none, and their postings pay nothing for it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from msgspec import Struct, field

from services.earning.domain.accounts import Account
from services.earning.domain.cycles import Cycle
from services.earning.domain.dates import NEVER, Day, end_of
from services.earning.domain.entry_lots import EntryLots, note_parts
from services.earning.domain.expiry import Epoch
from services.earning.domain.lots import Part
from services.earning.domain.order_records import OrderKey
from services.earning.domain.pending_awards import PendingAward
from services.earning.domain.timelines import Timeline

# The key of the lot that follows the setting and has no date.
_UNDATED: Final = NEVER * 2


class AccountCycle(Struct, gc=False):
    """The `cycle` of an account, in the store's `timeline`.

    `awards` has those of its pending orders that the batch touches or that may be due. `expired` has the expired
    points by last day that no clawback covered; it is read where a batch may claw back. If it `must_write`,
    the cycle is written even if no posting marks the account. By `caught_up`, what is due was posted after the
    latest posting.
    """

    cycle: Cycle
    timeline: Timeline
    awards: dict[OrderKey, PendingAward] = field(default_factory=dict)
    expired: dict[Day, int] = field(default_factory=dict)
    must_write: bool = False
    caught_up: Timeline | None = None

    @property
    def epoch(self) -> Epoch:
        """The settings that the dates of the account follow."""
        return self.timeline.epochs[self.cycle.epoch]

    @property
    def today(self) -> Day:
        timeline = self.timeline
        is_latest = self.cycle.epoch == timeline.latest
        return timeline.today if is_latest else self.epoch.day(timeline.now)

    @property
    def is_up_to_date(self) -> bool:
        """Whether a look at days alone shows that nothing is due, as on most accounts. A day that is later than
        today has not ended."""
        cycle, timeline = self.cycle, self.timeline
        if cycle.epoch != timeline.latest:
            return False
        today, keys = timeline.today, cycle.lots.keys
        return (
            (not keys or keys[0] > today * 2 + 1)
            and (not cycle.waits or cycle.waits[0].day > today)
            and (not cycle.releases or cycle.releases[0] > timeline.now)
            and (not timeline.reminds or cycle.reminded_on >= today)
        )

    @property
    def is_suspended(self) -> bool:
        return self.cycle.suspended_on is not None

    @property
    def may_have_due_awards(self) -> bool:
        """Whether the wait of a pending order may be over, in the zone of the account or a later one."""
        waits, releases, now = self.cycle.waits, self.cycle.releases, self.timeline.now
        if releases and releases[0] <= now:
            return True
        return bool(waits) and any(
            end_of(waits[0].day, epoch.zone) <= now
            for epoch in self.timeline.epochs[self.cycle.epoch :]
        )

    def note(
        self,
        parts: tuple[Part, ...],
        *,
        covered: tuple[tuple[Day, int], ...] = (),
    ) -> EntryLots | None:
        """What an entry notes about lots, unless it is an award with a date: nothing as long as no point of the
        store or the account has had one. `parts` are in order."""
        if not (
            self.timeline.has_expiry
            or any(part.own or part.day != NEVER for part in parts)
            or any(key != _UNDATED for key in self.cycle.lots.keys)
        ):
            parts = ()
        return note_parts(parts, covered=covered)


class Note(Struct, frozen=True, gc=False):
    """What an entry shows of its account's cycle: its signed `points`, since covered ones cost nothing, the
    lots, the `covered` points, the signed change of the pending points, and when they become available."""

    points: int
    lots: EntryLots | None = None
    covered: int = 0
    pending: int = 0
    available_at: datetime | None = None


# Changes the cycle for an entry of so many signed points, and returns what the entry notes. It cannot refuse.
CycleChange = Callable[[AccountCycle, Account, int], Note]
