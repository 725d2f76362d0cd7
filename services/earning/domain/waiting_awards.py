"""The check of waits: what of each order is pending follows from the entries of the account, and how long from the
version of the program that priced the order."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.contracts.lifecycle import Pending
from libs.kernel.ids import time_of
from services.earning.domain import lot_changes
from services.earning.domain.account_cycles import AccountCycle, CycleChange
from services.earning.domain.cycle_faults import note_of
from services.earning.domain.cycles import Mark
from services.earning.domain.dates import day_of, start_of
from services.earning.domain.expiry import Epoch
from services.earning.domain.pending import Window, open_window
from services.earning.domain.pending_awards import PendingAward
from services.earning.domain.timelines import SettingsVersion, build_epochs

# The id of an entry has the time of the process that posted it, a moment after the time of the posting, which is
# the database's. Longer than that moment and the difference of two clocks.
TOLERANCE: Final = timedelta(minutes=1)


class PricingVersion(Struct, frozen=True):
    """A version of a program, in force from `at` to `until`, None if it still is."""

    at: datetime
    until: datetime | None
    pending: Pending | None


class Settings(Struct, frozen=True):
    """The settings of a store: its epochs, and all versions of its programs."""

    epochs: tuple[Epoch, ...]
    versions: dict[int, PricingVersion]


def read_settings(versions: Sequence[SettingsVersion]) -> Settings:
    """The settings that all versions of a store's programs imply, in the order in which they were made."""
    pricing: dict[int, PricingVersion] = {}
    newest: dict[object, int] = {}
    for version in versions:
        before = newest.get(version.program_id)
        if before is not None:
            pricing[before] = msgspec.structs.replace(pricing[before], until=version.at)
        newest[version.program_id] = version.id
        pricing[version.id] = PricingVersion(version.at, None, version.pending)
    # Reminders leave no entries.
    epochs = [msgspec.structs.replace(one, remind_days=()) for one in build_epochs(versions)]
    return Settings(tuple(epochs), pricing)


def id_time(entry: Any) -> datetime:
    """The time of an entry's id."""
    return time_of(str(entry["id"]))


class _Waiting(Struct):
    """What is left of a pending award, with the window that the setting gave it."""

    points: int
    window: Window
    occurred_at: datetime


class WaitingAwards:
    """The pending awards of an account after the entries so far. Its methods return what the next entry does to
    the cycle, or why there cannot be such an entry."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: dict[str, _Waiting] = {}

    def earn(self, entry: Any, state: AccountCycle) -> CycleChange | str:
        """An award that is available, since it never waits or its wait was over."""
        window, zone = self._window(entry, state), state.epoch.zone
        if window is not None and window.is_open(state.timeline.now + TOLERANCE, zone):
            return "its points have to wait"
        note = note_of(entry)
        return lot_changes.Earn(
            occurred_at=entry["occurred_at"],
            available_at=None if window is None else window.available_at(zone),
            last_day=note.day if note.own else None,
        )

    def pend(self, entry: Any, state: AccountCycle, recorded: Window | None) -> CycleChange | str:
        """An award that waits. While it does, its row has the window `recorded`; after a fulfillment, of which the
        time is not known, only the days are the same."""
        window, zone = self._window(entry, state), state.epoch.zone
        if window is None or not (
            window.waits_for_fulfillment or window.is_open(state.timeline.now - TOLERANCE, zone)
        ):
            return "its points do not have to wait"
        is_fulfilled = window.waits_for_fulfillment and (
            recorded is not None and not recorded.waits_for_fulfillment
        )
        expected = window.days if is_fulfilled else window
        if recorded is not None and expected != (recorded.days if is_fulfilled else recorded):
            return "its points wait until another day than the setting says"
        waiting = _Waiting(entry["pending"], window, entry["occurred_at"])
        self._waiting[entry["order_id"]] = waiting
        return lot_changes.pend(
            entry["pending"],
            occurred_at=entry["occurred_at"],
            available_at=window.available_at(zone),
        )

    def release(self, entry: Any) -> CycleChange | str:
        """A release has all that is left of its award, at the end of its wait or when somebody released it."""
        waiting, available_at = self._waiting.get(entry["order_id"]), entry["available_at"]
        if waiting is None or waiting.points != entry["points"]:
            rest = 0 if waiting is None else waiting.points
            return f"{rest} points of its order were pending, not {entry['points']}"
        if waiting.occurred_at != entry["occurred_at"]:
            return f"its order was completed at {waiting.occurred_at}"
        is_due = available_at is not None and (
            _is_due(waiting.window, available_at, self._settings.epochs)
            or abs(available_at - id_time(entry)) <= TOLERANCE
        )
        if not is_due:
            return f"the wait for its points did not end at {available_at}"
        award = PendingAward(
            key=("", entry["order_id"]),
            account_id=entry["account_id"],
            sequence=0,
            points=waiting.points,
            reason="",
            occurred_at=waiting.occurred_at,
            program_version_id=entry["program_version_id"],
            program=None,
            tier=None,
            window=None,
            wait_on=None,
        )
        return lot_changes.release(award, available_at=available_at)

    def give_up(self, entry: Any) -> CycleChange | str:
        """What was not fulfilled is given up as a whole."""
        waiting = self._waiting.get(entry["order_id"])
        if waiting is None or waiting.points != -entry["pending"]:
            rest = 0 if waiting is None else waiting.points
            return f"{rest} points of its order were pending, not {-entry['pending']}"
        return lot_changes.give_up(waiting.points)

    def claw_back(self, entry: Any, mark: Mark | None) -> CycleChange | str:
        """A refund takes what waits of its award first; `mark` is the date of what is available."""
        waiting = self._waiting.get(entry["order_id"])
        pending = -(entry["pending"] or 0)
        available = (entry["covered"] or 0) - entry["points"]
        rest = 0 if waiting is None else waiting.points
        if pending > rest or (available and pending < rest):
            return f"{rest} points of its order were pending, and it takes {pending} of them"
        if available and mark is None:
            return "no points of its order were available"
        shares = [(available, mark)] if available and mark is not None else []
        return lot_changes.claw_back(shares, pending=pending)

    def note(self, entry: Any) -> None:
        """Subtract what the entry of an order takes of its pending points."""
        waiting, change = self._waiting.get(entry["order_id"]), entry["pending"]
        if waiting is not None and change is not None and change < 0:
            waiting.points += change
            if waiting.points == 0:
                del self._waiting[entry["order_id"]]

    def _window(self, entry: Any, state: AccountCycle) -> Window | None:
        """How long the points of an order wait; None for an award that does not."""
        version = self._settings.versions.get(entry["program_version_id"])
        if version is None or version.pending is None:
            return None
        return open_window(
            version.pending,
            completed_at=entry["occurred_at"],
            zone=state.epoch.zone,
            fulfilled_at=entry["fulfilled_at"],
        )


def _is_due(window: Window, available_at: datetime, epochs: Iterable[Epoch]) -> bool:
    """Whether the wait may have ended then, in a zone that the store has had, or with a change of the zone. One for
    a fulfillment ends with a day, or with it."""
    for epoch in epochs:
        zone = epoch.zone
        if window.waits_for_fulfillment:
            is_due = start_of(day_of(available_at, zone), zone) == available_at
        else:
            is_due = window.due(zone).at == available_at
        if is_due or epoch.at == available_at:
            return True
    return window.waits_for_fulfillment and window.days == 0
