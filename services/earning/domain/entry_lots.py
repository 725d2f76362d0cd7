"""What an entry of the ledger notes about lots: the column `entries.lots`, NULL where there is nothing.

Refunds, voids and cancellations read it of earlier entries; responses and events print `parts`. Dates are
those of the time of the entry: `Cycle.find_date` and the other methods of a cycle take them as they are.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from libs.contracts.events import LotRef
from services.earning.domain.cycles import Mark
from services.earning.domain.dates import NEVER, Day, to_date
from services.earning.domain.lots import Lots, Part, by_day, lots_of


class EntryLots(Struct, frozen=True, array_like=True, gc=False):
    """Of an award, its `day`, and whether that is a date of its own. `parts` are the lots that a credit
    became, that a debit was drawn from, or that expired. `covered` are the points of a clawback that had
    expired, by last day."""

    day: Day | None = None
    own: bool = False
    parts: Lots = msgspec.field(default_factory=Lots)
    covered: tuple[tuple[Day, int], ...] = ()


_encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(EntryLots).decode


def encode(note: EntryLots) -> str:
    """The text of the column `entries.lots`."""
    return _encode(note).decode()


def note_award(day: Day, parts: Iterable[Part], *, own: bool) -> EntryLots:
    """What the entry of an award with a date notes; `parts` are what is left of it after it paid a debt."""
    return EntryLots(day, own, lots_of(parts))


def note_parts(
    parts: Sequence[Part], *, covered: tuple[tuple[Day, int], ...] = ()
) -> EntryLots | None:
    """What any other entry notes; None if that is nothing. `parts` are in order, one per day and owner."""
    if not parts and not covered:
        return None
    return EntryLots(parts=lots_of(parts), covered=covered)


def mark(note: EntryLots | None, sequence: int) -> Mark:
    """The date of the award of an entry. Without a note, the award has none."""
    if note is None or note.day is None:
        return Mark(NEVER, own=False, sequence=sequence)
    return Mark(note.day, note.own, sequence)


def uncovered(expirations: Iterable[EntryLots], clawbacks: Iterable[EntryLots]) -> dict[Day, int]:
    """The expired points of an account by last day, less those that clawbacks covered."""
    expired: dict[Day, int] = {}
    for note in expirations:
        for day, points in by_day(note.parts).items():
            expired[day] = expired.get(day, 0) + points
    for note in clawbacks:
        for day, points in note.covered:
            expired[day] -= points
    return {day: points for day, points in expired.items() if points}


def lot_refs(text: str | None) -> list[LotRef]:
    """The lots of an entry as callers see them, from the text of its column."""
    if text is None:
        return []
    return [
        LotRef(points, None if day == NEVER else to_date(day).isoformat())
        for day, points in by_day(decode(text).parts).items()
    ]
