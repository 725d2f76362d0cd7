"""What each kind of entry does to the lots and the pending points of its account, and notes about it.

Each function returns the change for one entry, and each `Earn` is one. `LedgerBatch.enter` carries it out once
the entry can no longer be refused. docs/rules/expiry.md, docs/rules/pending.md.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from services.earning.domain import catching_up, lots
from services.earning.domain.account_cycles import AccountCycle, CycleChange, Note
from services.earning.domain.accounts import Account
from services.earning.domain.cycles import Mark
from services.earning.domain.dates import NEVER, Day
from services.earning.domain.entry_lots import EntryLots, note_award
from services.earning.domain.lots import Lots, Part
from services.earning.domain.pending_awards import PendingAward


class Earn(Struct, frozen=True, gc=False):
    """Points that are earned, with the customer's activity at `occurred_at`. `available_at` is given if they
    waited before; `last_day` is a date of their own. A struct, since most entries are of orders: to make a
    function takes four times as long."""

    occurred_at: datetime
    available_at: datetime | None = None
    last_day: Day | None = None

    def __call__(self, state: AccountCycle, account: Account, points: int) -> Note:
        epoch = state.epoch
        active_on = epoch.day(self.occurred_at)
        if epoch.by_inactivity:
            _record_activity(state, account, active_on)
        day, available_at = self.last_day, self.available_at
        own = day is not None
        if day is None:
            day = epoch.last_day(active_on if available_at is None else epoch.day(available_at))
        parts = state.cycle.credit(points, day, own=own, debt=account.debt, epoch=epoch)
        note = _note_award(state, parts, day, own=own)
        return Note(points, note, available_at=available_at)


def _record_activity(state: AccountCycle, account: Account, day: Day) -> None:
    state.cycle.record_activity(
        day, epoch=state.epoch, today=state.today, sequence=account.sequence
    )


def release(award: PendingAward, *, available_at: datetime) -> CycleChange:
    """The rest of a pending award becomes available. The activity was the order's. If it waited for the end of
    a suspension, its date is that of the setting in force at `available_at`."""

    def change(state: AccountCycle, account: Account, points: int) -> Note:
        epoch = state.epoch
        if state.is_suspended:
            day = catching_up.last_day_since(state.cycle, state.timeline.epochs, available_at)
        else:
            day = epoch.last_day(epoch.day(available_at))
        parts = state.cycle.credit(points, day, own=False, debt=account.debt, epoch=epoch)
        note = _note_award(state, parts, day, own=False)
        state.cycle.pending -= award.points
        return Note(points, note, pending=-award.points, available_at=available_at)

    return change


def _note_award(
    state: AccountCycle, parts: tuple[Part, ...], day: Day, *, own: bool
) -> EntryLots | None:
    """What the entry of an award notes, whose lots are `parts`. A held order may have a date that passed before the
    suspension: like its lot, the award has not expired."""
    if day == NEVER and not own:
        return state.note(parts)
    suspended_on = state.cycle.suspended_on
    alive = day if suspended_on is None else max(day, suspended_on)
    return note_award(alive, parts, own=own)


def add(*, last_day: Day | None) -> CycleChange:
    """Points that an adjustment adds, with a date of their own or as if they were earned today."""

    def change(state: AccountCycle, account: Account, points: int) -> Note:
        day = state.epoch.last_day(state.today) if last_day is None else last_day
        parts = state.cycle.credit(
            points, day, own=last_day is not None, debt=account.debt, epoch=state.epoch
        )
        return Note(points, state.note(parts))

    return change


def draw(*, is_activity: bool) -> CycleChange:
    """Points that are redeemed, which is the customer's activity, or that an adjustment takes."""

    def change(state: AccountCycle, account: Account, points: int) -> Note:
        parts = state.cycle.debit(-points)
        note = Note(points, state.note(parts))
        if is_activity:
            _record_activity(state, account, state.today)
        return note

    return change


def give_back(drawn: Lots, *, sequence: int) -> CycleChange:
    """The points of a redemption return to the lots that its entry `sequence` drew them from."""

    def change(state: AccountCycle, account: Account, points: int) -> Note:
        parts = state.cycle.give_back(
            points,
            drawn,
            sequence=sequence,
            debt=account.debt,
            epoch=state.epoch,
            today=state.today,
        )
        return Note(points, state.note(parts))

    return change


def claw_back(shares: Sequence[tuple[int, Mark]], *, pending: int) -> CycleChange:
    """A refund or void takes `pending` points that wait, and of each award so many of the others, in the
    order of posting."""

    def change(state: AccountCycle, _account: Account, _points: int) -> Note:
        cost = 0
        drawn: tuple[Part, ...] = ()
        covered: tuple[tuple[Day, int], ...] = ()
        for share, mark in shares:
            clawback = state.cycle.claw_back(
                share, mark, state.expired, epoch=state.epoch, today=state.today
            )
            cost += clawback.points
            drawn = (*drawn, *clawback.drawn)
            covered = (*covered, *clawback.covered)
        state.cycle.pending -= pending
        return Note(
            points=-cost,
            lots=state.note(lots.merge(drawn), covered=covered),
            covered=sum(points for _, points in covered),
            pending=-pending,
        )

    return change


def expire(parts: tuple[Part, ...]) -> CycleChange:
    """Lots whose date has passed. They were removed from the cycle already."""

    def change(state: AccountCycle, _account: Account, points: int) -> Note:
        for day, expired in lots.by_day(parts).items():
            state.expired[day] = state.expired.get(day, 0) + expired
        return Note(points, state.note(parts))

    return change


def pend(points: int, *, occurred_at: datetime, available_at: datetime | None) -> CycleChange:
    """The award of an order waits. The order is the customer's activity."""

    def change(state: AccountCycle, account: Account, _points: int) -> Note:
        _record_activity(state, account, state.epoch.day(occurred_at))
        state.cycle.pending += points
        return Note(points=0, pending=points, available_at=available_at)

    return change


def give_up(points: int) -> CycleChange:
    """Pending points whose order was not fulfilled."""

    def change(state: AccountCycle, _account: Account, _points: int) -> Note:
        state.cycle.pending -= points
        return Note(points=0, pending=-points)

    return change
