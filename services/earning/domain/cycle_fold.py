"""The check of dates: the entries of an account, posted again by the rules, must leave the cycle that it has.

What no row says is taken from the entries as it is: the dates that callers chose, the share of each award in a
void, and the time of most fulfillments. docs/rules/expiry.md, "What `verify` checks".
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from services.earning.domain import catching_up, cycles, entry_lots, lot_changes, lots
from services.earning.domain.account_cycles import AccountCycle, CycleChange
from services.earning.domain.accounts import Account
from services.earning.domain.catching_up import Expiration, just_before
from services.earning.domain.cycle_faults import (
    describe_day,
    find_contradiction,
    find_difference,
    note_of,
)
from services.earning.domain.cycles import Cycle, Mark
from services.earning.domain.dates import end_of
from services.earning.domain.expiry import Epoch
from services.earning.domain.lots import Lots
from services.earning.domain.pending import Window
from services.earning.domain.timelines import Timeline
from services.earning.domain.waiting_awards import TOLERANCE, Settings, WaitingAwards, id_time


class RecordedStatus(Struct, frozen=True):
    """The account was suspended or made active at `at`, after its entry `sequence`; None if that is not
    known."""

    at: datetime
    is_suspended: bool
    sequence: int | None


class CycleFold:
    """An account after the entries posted so far. After a `fault`, it posts nothing more."""

    def __init__(
        self, account_id: int, settings: Settings, changes: Iterable[RecordedStatus]
    ) -> None:
        self.fault: str | None = None
        self._settings = settings
        self._instants = [epoch.at for epoch in settings.epochs]
        self._changes = list(changes)
        self._account = Account("", "", account_id)
        # None until points of the account may expire or wait.
        self._state: AccountCycle | None = None
        # Expirations whose entries have to come next.
        self._due: list[Expiration] = []
        # Of orders their awards, of redemptions the lots and the sequence.
        self._awards: dict[str, Mark] = {}
        self._drawn: dict[str, tuple[Lots, int]] = {}
        self._waiting = WaitingAwards(settings)
        self._window: Window | None = None
        self._expirations: set[int] = set()

    def post(self, entry: Any, window: Window | None) -> None:
        """Post the next entry; `window` is that of the pending award that the entry posted, if it still waits."""
        if self.fault is None:
            self._change_status(entry)
            self._window = window
            fault = self._post(entry)
            if fault is not None:
                place = f"entry {self._account.id}/{entry['sequence']} (txn_{entry['id']})"
                self.fault = f"{place}: {fault}"
        self._account.sequence = entry["sequence"]
        self._account.balance = entry["balance_after"]

    def compare(self, stored: Cycle) -> str | None:
        """Why the account cannot have the cycle `stored`; None if it has to."""
        if self.fault is not None:
            return self.fault
        place, epochs = f"account {self._account.id}", self._settings.epochs
        if stored.epoch >= len(epochs):
            return f"{place}: its dates follow settings that its store never had"
        epoch = epochs[stored.epoch]
        for change in self._changes:
            self._apply_change(change)
        state = self._start(epoch.at) if self._state is None else self._state
        if state.cycle.epoch < stored.epoch:
            self._advance(epoch.at)
        fault = self._overdue() or find_difference(
            state.cycle, stored, epoch, expirations=self._expirations
        )
        return None if fault is None else f"{place}: {fault}"

    # -- time

    def _known(self, moment: datetime) -> tuple[Epoch, ...]:
        return self._settings.epochs[: bisect_right(self._instants, moment)]

    def _start(self, moment: datetime) -> AccountCycle:
        known = self._known(moment)
        cycle = cycles.start(
            known,
            balance=self._account.balance,
            sequence=self._account.sequence,
            is_suspended=self._account.suspended,
        )
        self._state = AccountCycle(cycle, Timeline(known, moment))
        return self._state

    def _advance(self, moment: datetime) -> AccountCycle:
        state = self._start(moment) if self._state is None else self._state
        changes = catching_up.advance(
            state.cycle,
            self._settings.epochs,
            to=moment,
            now=moment,
            sequence=self._account.sequence,
        )
        self._due += [change for change in changes if isinstance(change, Expiration)]
        known = self._settings.epochs[
            : max(bisect_right(self._instants, moment), state.cycle.epoch + 1)
        ]
        state.timeline = Timeline(known, moment)
        return state

    def _overdue(self) -> str | None:
        if not self._due:
            return None
        return f"{self._due[0].points} points of {describe_day(self._due[0].day)} should have expired before"

    def _times(self, entry: Any) -> list[datetime]:
        """When the entry may have been posted, most likely first."""
        if entry["type"] == "expire":
            return [just_before(entry["occurred_at"])]
        if entry["type"] == "earn" and entry["pending"] is not None:
            return self._times_of_release(entry)
        if entry["order_id"] is None:
            return [entry["occurred_at"]]
        moment = self._priced_at(entry)
        state = self._state
        if state is not None and state.epoch.is_active and not state.is_suspended:
            first = state.cycle.first_day(state.epoch)
            end = None if first is None else end_of(first, state.epoch.zone)
            # Something became due between the time of the posting and that of the id.
            if end is not None and moment - TOLERANCE <= end <= moment:
                return [just_before(end)]
        return [moment]

    def _times_of_release(self, entry: Any) -> list[datetime]:
        """The instant at which the release was due, if it was posted late; or when somebody released the points,
        their fulfillment arrived, or the account was made active."""
        moment = id_time(entry)
        is_suspended = self._state is not None and self._state.is_suspended
        if is_suspended or entry["available_at"] is None:
            return [moment]
        due = just_before(entry["available_at"])
        is_same = len(self._known(due)) == len(self._known(moment))
        return [due] if is_same else [due, moment]

    def _priced_at(self, entry: Any) -> datetime:
        """About when the entry of an order was posted: while the version that priced it was in force."""
        moment = id_time(entry)
        version = self._settings.versions.get(entry["program_version_id"])
        if version is None:
            return moment
        if version.until is not None and moment >= version.until:
            return just_before(version.until)
        return max(moment, version.at)

    # -- status

    def _change_status(self, entry: Any) -> None:
        """Change the status as it was changed before the entry."""
        while self._changes:
            change = self._changes[0]
            is_before = (
                change.at < id_time(entry)
                if change.sequence is None
                else change.sequence < entry["sequence"]
            )
            if not is_before:
                return
            self._apply_change(self._changes.pop(0))

    def _apply_change(self, change: RecordedStatus) -> None:
        if self._state is not None or _has_expiry(self._known(change.at)):
            state = self._advance(change.at)
            today = state.epoch.day(change.at)
            if change.is_suspended:
                catching_up.suspend(state.cycle, today=today)
            else:
                catching_up.reinstate(
                    state.cycle, state.epoch, today=today, sequence=self._account.sequence
                )
        self._account.suspended = change.is_suspended

    # -- entries

    def _post(self, entry: Any) -> str | None:
        if entry["type"] == "expire" and entry["pending"] is None:
            return self._expire(entry)
        *earlier, last = self._times(entry)
        if self._state is None and not (_has_expiry(self._known(last)) or _needs_cycle(entry)):
            self._note(entry)
            return None if entry["lots"] is None else "no point of the account had a date"
        for moment in earlier:
            state = self._state or self._start(moment)
            before = cycles.encode(state.cycle), dict(state.expired)
            if self._post_at(entry, moment) is None:
                return None
            state.cycle, state.expired = cycles.decode(before[0]), before[1]
            self._due.clear()
        return self._post_at(entry, last)

    def _expire(self, entry: Any) -> str | None:
        if not self._due:
            self._advance(entry["occurred_at"])
        if not self._due:
            return "no points expired then"
        due = self._due.pop(0)
        if due.at != entry["occurred_at"]:
            return f"{due.points} points of {describe_day(due.day)} should have expired before"
        assert self._state is not None
        self._expirations.add(entry["sequence"])
        note = lot_changes.expire(due.parts)(self._state, self._account, -due.points)
        return find_contradiction(note, entry)

    def _post_at(self, entry: Any, moment: datetime) -> str | None:
        if self._due:
            return self._overdue()
        state = self._advance(moment)
        if self._due:
            return self._overdue()
        if entry["type"] == "void":
            return _void(state, entry)
        change = self._find_change(entry, state)
        if isinstance(change, str):
            return change
        fault = find_contradiction(change(state, self._account, entry["points"]), entry)
        if fault is None:
            self._note(entry)
        return fault

    def _find_change(self, entry: Any, state: AccountCycle) -> CycleChange | str:
        """What the entry does to the cycle, or why it cannot be."""
        match entry["type"]:
            case "earn" | "pend":
                return self._find_award(entry, state)
            case "redeem":
                return lot_changes.draw(is_activity=True)
            case "adjust":
                return _adjust(entry)
            case "cancel":
                drawn, sequence = self._drawn.get(entry["redemption_id"], (Lots(), 0))
                return lot_changes.give_back(drawn, sequence=sequence)
            case "refund":
                return self._waiting.claw_back(entry, self._awards.get(entry["order_id"]))
            case _:
                return self._waiting.give_up(entry)

    def _find_award(self, entry: Any, state: AccountCycle) -> CycleChange | str:
        if entry["type"] == "pend":
            return self._waiting.pend(entry, state, self._window)
        if entry["pending"] is not None:
            return self._waiting.release(entry)
        return self._waiting.earn(entry, state)

    def _note(self, entry: Any) -> None:
        """Keep what later entries of the account refer to."""
        if entry["order_id"] is not None:
            self._waiting.note(entry)
            if entry["type"] == "earn":
                mark = entry_lots.mark(note_of(entry), entry["sequence"])
                self._awards[entry["order_id"]] = mark
        elif entry["type"] == "redeem":
            self._drawn[entry["redemption_id"]] = note_of(entry).parts, entry["sequence"]


def _has_expiry(epochs: tuple[Epoch, ...]) -> bool:
    return any(epoch.expiry is not None for epoch in epochs)


def _needs_cycle(entry: Any) -> bool:
    """Whether the entry has a date or a wait of its own, without a setting for the store."""
    if entry["pending"] is not None or entry["available_at"] is not None:
        return True
    note = note_of(entry)
    return note.own or any(part.own for part in note.parts)


def _adjust(entry: Any) -> CycleChange:
    if entry["points"] < 0:
        return lot_changes.draw(is_activity=False)
    own = next((part.day for part in note_of(entry).parts if part.own), None)
    return lot_changes.add(last_day=own)


def _void(state: AccountCycle, entry: Any) -> str | None:
    """Take what a void took: how much of which award is not recorded."""
    note = note_of(entry)
    if (entry["covered"] or 0) != sum(points for _, points in note.covered):
        return f"covered is {entry['covered']}, unlike its lots"
    for day, points in note.covered:
        if points > state.expired.get(day, 0):
            return f"fewer than {points} points of {describe_day(day)} expired"
        state.expired[day] -= points
    for part in note.parts:
        if state.cycle.lots.draw_own(part.points, day=part.day, own=part.own) != (part,):
            return f"there were no {part.points} points of {describe_day(part.day)}"
    rest = -entry["points"] - lots.total(note.parts)
    drawn = state.cycle.debit(rest)
    # Lots are not noted as long as no point has a date.
    if rest < 0 or (drawn and state.note((*note.parts, *drawn)) is not None):
        return f"{lots.total(note.parts)} of its {-entry['points']} points are from lots"
    state.cycle.pending += entry["pending"] or 0
    return None
