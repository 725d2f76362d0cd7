"""How an entry or a cycle differs from what the rules imply, in the words of the books check."""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from services.earning.domain import entry_lots, lots
from services.earning.domain.account_cycles import Note
from services.earning.domain.cycles import Cycle
from services.earning.domain.dates import EARLIEST, NEVER, Day, to_date
from services.earning.domain.entry_lots import EntryLots
from services.earning.domain.expiry import Epoch
from services.earning.domain.moves import Move

_NOTHING: Final = EntryLots()


def note_of(entry: Any) -> EntryLots:
    """What the entry notes about lots."""
    return _NOTHING if entry["lots"] is None else entry_lots.decode(entry["lots"])


def find_contradiction(note: Note, entry: Any) -> str | None:
    """How the entry differs from what the rules note; None if it does not."""
    expected = _NOTHING if note.lots is None else note.lots
    recorded = note_of(entry)
    if recorded != expected:
        return f"its lots are {_describe(recorded)}, not {_describe(expected)}"
    for name in ("points", "pending", "covered"):
        if (entry[name] or 0) != getattr(note, name):
            return f"{name} is {entry[name]}, not {getattr(note, name)}"
    if entry["type"] in {"earn", "pend"} and entry["available_at"] != note.available_at:
        return f"available_at is {entry['available_at']}, not {note.available_at}"
    return None


def find_difference(
    implied: Cycle, stored: Cycle, epoch: Epoch, *, expirations: Collection[int]
) -> str | None:
    """How the stored cycle differs from the one that the entries imply; None if it does not. `expirations` are the
    sequences of entries that post expirations."""
    if tuple(implied.lots) != tuple(stored.lots):
        texts = [_describe(EntryLots(parts=one.lots)) for one in (stored, implied)]
        return f"its lots are {texts[0]}; its entries imply {texts[1]}"
    if epoch.by_inactivity and implied.active_on != stored.active_on:
        return "its latest activity was on another day than its entries imply"
    pairs = zip(implied.moves, stored.moves, strict=False)
    if len(implied.moves) != len(stored.moves) or not all(
        _is_same(_place(one, expirations), _place(other, expirations)) for one, other in pairs
    ):
        return "its dates were moved otherwise than the changes of settings and status imply"
    return None


def _place(move: Move, expirations: Collection[int]) -> Move:
    """The move after the last entry that it can move: it comes before or after the expirations with which it was
    posted."""
    sequence = move.sequence
    while sequence in expirations:
        sequence -= 1
    return msgspec.structs.replace(move, sequence=sequence)


def _is_same(implied: Move, stored: Move) -> bool:
    """Whether two moves are the same. Where a cycle began without entries is not known, and a lapse that was
    noticed around midnight may be of the day before."""
    is_first_same = (
        EARLIEST in {implied.first, stored.first} or abs(implied.first - stored.first) <= 1
    )
    return is_first_same and msgspec.structs.replace(implied, first=stored.first) == stored


def _describe(note: EntryLots) -> str:
    award = [] if note.day is None else [f"an award of {describe_day(note.day)}"]
    parts = [f"{points} of {describe_day(day)}" for day, points in lots.by_day(note.parts).items()]
    covered = [f"{points} covered of {describe_day(day)}" for day, points in note.covered]
    return ", ".join([*award, *parts, *covered]) or "none"


def describe_day(day: Day) -> str:
    """A last day as people read it."""
    return "no date" if day == NEVER else to_date(day).isoformat()
