"""The cycle of an account: what time changes of it. docs/rules/expiry.md, docs/rules/pending.md.

What is stored where:

- `accounts.cycle`: a `Cycle`, encoded by `encode`. NULL while nothing about
  the account can expire or wait; `start` builds the cycle of such an account when it is first needed.
- `accounts.due_at`: `Cycle.due_at`, a hint for the sweeper that is never later than the truth. NULL where
  nothing is due.
- an entry of the ledger: the `Mark` of an award (its date), and the parts that a debit drew, an expiration
  took or a clawback covered. The present date of an earlier entry follows from `Cycle.moves`.
- the row of an order: its `Window` while its points are pending (services/earning/domain/pending.py).

Each posting first brings the cycle up to now with services/earning/domain/catching_up.py. Methods change
the cycle and return what the entry has to show. None of them can refuse: check the balance before.
"""

from bisect import insort
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct, field

from services.earning.domain import lots
from services.earning.domain.dates import EARLIEST, NEVER, Day, start_of
from services.earning.domain.expiry import Epoch
from services.earning.domain.lots import Lots, Part
from services.earning.domain.moves import Dated, Move, follow


class Mark(Struct, frozen=True, gc=False):
    """The date of an award when it was posted, with the sequence of its entry. An award from before a
    setting began has the day NEVER. Under `inactivity` it is the last day without later activity."""

    day: Day
    own: bool
    sequence: int


class Wait(NamedTuple):
    """How many pending orders are released, or given up, when a day has ended."""

    day: Day
    gives_up: bool
    orders: int


class Clawback(Struct, frozen=True):
    """Where the points of a clawback came from: `covered` had expired, by day; `drawn` were in lots; `debt`
    takes the balance below zero."""

    covered: tuple[tuple[Day, int], ...]
    drawn: tuple[Part, ...]
    debt: int

    @property
    def points(self) -> int:
        """What the entry takes from the balance."""
        return lots.total(self.drawn) + self.debt


class Cycle(Struct, kw_only=True, array_like=True, gc=False):
    """What time changes of one account.

    `epoch` is the place of the epoch that the dates follow. `pending` is the sum of the pending points; they
    wait for the ends of days (`waits`), or for instants (`releases`), in order. `active_on` is the day of the
    latest earning or redemption, and is only kept under `inactivity`. Reminders of days up to `reminded_on`
    have been sent or lost.

    `suspended_on`, `unset_on` and `inactive_on` are the days since when the account is suspended, no expiry
    setting is in force, and no program is active. `is_cleared`: the account was suspended and made active
    again since `inactive_on`.
    """

    epoch: int = 0
    lots: Lots = field(default_factory=Lots)
    pending: int = 0
    waits: list[Wait] = field(default_factory=list)
    active_on: Day | None = None
    reminded_on: Day = EARLIEST
    suspended_on: Day | None = None
    unset_on: Day | None = None
    inactive_on: Day | None = None
    is_cleared: bool = False
    moves: tuple[Move, ...] = ()
    releases: list[datetime] = field(default_factory=list)

    def account_date(self, epoch: Epoch) -> Day:
        """Under `inactivity` the latest activity plus the period; EARLIEST otherwise. All points that follow
        the setting live at least until then."""
        if not epoch.by_inactivity or self.active_on is None:
            return EARLIEST
        return epoch.last_day(self.active_on)

    def alive_from(self, *, own: bool, today: Day) -> Day:
        """The first day that has not taken its points, although it may have passed: today, or the first
        day of a pause of the setting's or of own dates."""
        pauses = (self.suspended_on, self.inactive_on, None if own else self.unset_on)
        return min((day for day in pauses if day is not None), default=today)

    def _lot_day(self, day: Day, *, own: bool, epoch: Epoch) -> Day:
        """The last day of points whose date is `day`: the setting's live at least until the account's date."""
        return day if own or not epoch.by_inactivity else max(day, self.account_date(epoch))

    def record_activity(self, day: Day, *, epoch: Epoch, today: Day, sequence: int) -> None:
        """The customer earned or redeemed on `day`: under `inactivity` all points live longer. Call it
        before the credit of an earning and after the debit of a redemption; `sequence` is that of the
        entry before."""
        if not epoch.by_inactivity or (self.active_on is not None and day <= self.active_on):
            return
        alive = self.alive_from(own=False, today=today)
        if self.active_on is not None and self.account_date(epoch) < alive:
            self._record_lapse(sequence, alive)
        self.active_on = day
        self.raise_lots(self.account_date(epoch))

    def _record_lapse(self, sequence: int, alive: Day) -> None:
        """Everything before `alive` has expired. It includes what expired in lapses before."""
        lapse = Move(
            sequence=sequence,
            own=False,
            first=alive,
            until=EARLIEST,
            floor=EARLIEST,
            by_inactivity=True,
        )
        moves = self.moves
        if moves and moves[-1].by_inactivity and moves[-1].until == EARLIEST:
            moves = moves[:-1]
        self.moves = (*moves, lapse)

    def raise_lots(self, day: Day) -> None:
        """Move the setting's lots to `day`, those of a later day excepted."""
        if self.lots.keys and self.lots.keys[0] < day * 2:
            self.lots.move(lambda part: part.day if part.own else max(part.day, day))

    def credit(
        self, points: int, day: Day, *, own: bool, debt: int, epoch: Epoch
    ) -> tuple[Part, ...]:
        """Add points with the last day `day`: `epoch.last_day(…)`, or a date of their own. Returns what
        is left of them after they paid `debt`, the points that the balance is below zero."""
        if points <= debt:
            return ()
        part = Part(self._lot_day(day, own=own, epoch=epoch), own, points - debt)
        self.lots.add(part)
        return (part,)

    def debit(self, points: int) -> tuple[Part, ...]:
        """Draw points, earliest first; returns what lots gave."""
        return self.lots.draw(points)

    def find_date(self, day: Day, *, own: bool, sequence: int, epoch: Epoch, today: Day) -> Dated:
        """The present date of an award or part that had `day` in the entry `sequence`."""
        dated = follow(self.moves, day, own=own, sequence=sequence)
        if dated.is_over:
            return dated
        alive = self.alive_from(own=own, today=today)
        lot_day = self._lot_day(dated.day, own=own, epoch=epoch)
        if lot_day < alive:
            return Dated(dated.day, is_over=True, by_inactivity=epoch.by_inactivity and not own)
        return Dated(lot_day)

    def claw_back(
        self, points: int, mark: Mark, expired: dict[Day, int], *, epoch: Epoch, today: Day
    ) -> Clawback:
        """Take points of an award for a refund or void. `expired` has the account's expired points by last
        day, less those that clawbacks covered; what this one covers is subtracted from it."""
        dated = self.find_date(
            mark.day, own=mark.own, sequence=mark.sequence, epoch=epoch, today=today
        )
        covered = _cover(points, dated, expired) if dated.is_over else ()
        rest = points - sum(part for _, part in covered)
        drawn = self.lots.draw_own(rest, day=dated.day, own=mark.own)
        return Clawback(covered, drawn, rest - lots.total(drawn))

    def give_back(
        self,
        points: int,
        drawn: Iterable[Part],
        *,
        sequence: int,
        debt: int,
        epoch: Epoch,
        today: Day,
    ) -> tuple[Part, ...]:
        """Return the points of a cancelled redemption to the lots that its entry `sequence` drew them
        from. Returns what is left of them after they paid `debt`."""
        parts = [self._returned(part, sequence, epoch, today) for part in drawn]
        rest = points - lots.total(parts)
        parts.append(Part(epoch.last_day(today), own=False, points=rest))
        parts = [
            Part(self._lot_day(part.day, own=part.own, epoch=epoch), part.own, part.points)
            for part in parts
        ]
        return self.lots.credit(lots.merge(parts), debt=debt)

    def _returned(self, part: Part, sequence: int, epoch: Epoch, today: Day) -> Part:
        day, own, points = part.day, part.own, part.points
        if day == NEVER and not own:
            return Part(epoch.last_day(today), own, points)
        dated = self.find_date(day, own=own, sequence=sequence, epoch=epoch, today=today)
        if not dated.is_over:
            return Part(dated.day, own, points)
        return Part(max(dated.day, today + epoch.returned_days), own, points)

    def add_wait(self, day: Day, *, gives_up: bool, at: datetime | None = None) -> None:
        """An order's points are pending until `day` has ended, or until the instant `at`."""
        if at is None:
            self._count_wait(day, gives_up=gives_up, change=1)
        else:
            insort(self.releases, at)

    def remove_wait(self, day: Day, *, gives_up: bool, at: datetime | None = None) -> None:
        """They no longer are, or until another day or instant. An instant may have been counted as `day`, before
        instants were kept."""
        if at in self.releases:
            self.releases.remove(at)
        else:
            self._count_wait(day, gives_up=gives_up, change=-1)

    def _count_wait(self, day: Day, *, gives_up: bool, change: int) -> None:
        orders = {(wait.day, wait.gives_up): wait.orders for wait in self.waits}
        orders[day, gives_up] = orders.get((day, gives_up), 0) + change
        self.waits = [Wait(*key, count) for key, count in sorted(orders.items()) if count > 0]

    def first_day(self, epoch: Epoch) -> Day | None:
        """The earliest day in force, or None."""
        keys = self.lots.keys
        if not keys or epoch.expiry is None:
            keys = [key for key in keys if key & 1]
        return keys[0] >> 1 if keys and keys[0] < NEVER * 2 else None

    def is_awake(self, part: Part, epoch: Epoch) -> bool:
        """Whether the lot has a date that is in force: its own, or the setting's while there is one."""
        return part.day != NEVER and (part.own or epoch.expiry is not None)

    def expirations(self, epoch: Epoch) -> dict[Day, int]:
        """The points by last day, earliest first, without those that have none in force."""
        return lots.by_day(part for part in self.lots if self.is_awake(part, epoch))

    def without_date(self, epoch: Epoch) -> int:
        """The points that never expire, or whose dates are not in force."""
        return sum(part.points for part in self.lots if not self.is_awake(part, epoch))

    def due_at(self, epoch: Epoch) -> datetime | None:
        """The earliest instant at which something is due: a release, a give-up, an expiration or a
        reminder. None if nothing is. The cycle has caught up with `epoch`."""
        is_paused = self.suspended_on is not None
        due = self._due_day(epoch) if epoch.is_active and not is_paused else None
        if self.waits:
            ends = [wait.day + 1 for wait in self.waits if wait.gives_up or not is_paused]
            due = min(ends if due is None else [due, *ends], default=None)
        instants = [] if due is None else [start_of(due, epoch.zone)]
        if self.releases and not is_paused:
            instants.append(self.releases[0])
        return min(instants, default=None)

    def _due_day(self, epoch: Epoch) -> Day | None:
        """At the start of this day an expiration or reminder is due."""
        first = self.first_day(epoch)
        if first is None:
            return None
        due = first + 1
        if epoch.remind_days:
            longest = max(epoch.remind_days)
            for key in self.lots.keys:
                day = key >> 1
                if day - longest >= due:
                    break
                if epoch.expiry is None and not key & 1:
                    continue
                for days_left in epoch.remind_days:
                    if self.reminded_on < day - days_left < due:
                        due = day - days_left
        return due


_VERSION: Final = b"\x01"
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Cycle).decode


class UnknownVersion(Exception):
    """The cycle was written by a later version of this service."""


def encode(cycle: Cycle) -> bytes:
    """The column `accounts.cycle`: a version byte, then the fields in their order as MessagePack.

    A field may be appended, with a default: older bytes then still decode. An older process would drop it, so
    a setting that needs it may be used once all processes run the new version.
    """
    return _VERSION + _encode(cycle)


def decode(data: bytes) -> Cycle:
    """The cycle of these bytes; raises UnknownVersion."""
    if data[0] != _VERSION[0]:
        raise UnknownVersion(f"The cycle has version {data[0]}; this process knows version 1.")
    return _decode(data[1:])


def start(epochs: tuple[Epoch, ...], *, balance: int, sequence: int, is_suspended: bool) -> Cycle:
    """The cycle of an account that has none: nothing of its points had a date so far. It has to catch up
    before it is used."""
    suspended_on = EARLIEST if is_suspended else None
    if sequence == 0:
        # A setting that is older than the account does not move its dates.
        current = epochs[-1]
        return Cycle(
            epoch=len(epochs) - 1,
            suspended_on=suspended_on,
            unset_on=EARLIEST if current.expiry is None else None,
            inactive_on=None if current.is_active else EARLIEST,
        )
    return Cycle(
        lots=Lots([NEVER * 2], [balance]) if balance > 0 else Lots(),
        suspended_on=suspended_on,
        unset_on=EARLIEST,
        inactive_on=EARLIEST,
    )


def _cover(points: int, dated: Dated, expired: dict[Day, int]) -> tuple[tuple[Day, int], ...]:
    """What of the points had expired: on their date or, by inactivity, on it or later, earliest first."""
    covered = []
    for day in sorted(expired):
        if day == dated.day or (dated.by_inactivity and day > dated.day):
            part = min(points, expired[day])
            if part > 0:
                points -= part
                expired[day] -= part
                covered.append((day, part))
    return tuple(covered)
