"""What entries note about lots, and what later entries read from it."""

from datetime import date

from libs.contracts.events import LotRef
from services.earning.domain import entry_lots
from services.earning.domain.cycles import Mark
from services.earning.domain.dates import NEVER, to_day
from services.earning.domain.lots import Part

JANUARY, JUNE = to_day(date(2027, 1, 31)), to_day(date(2027, 6, 30))


def test_a_note_of_an_award_keeps_its_date_also_if_a_debt_took_its_points() -> None:
    note = entry_lots.note_award(JUNE, (), own=True)
    assert note is not None
    read = entry_lots.decode(entry_lots.encode(note))
    assert entry_lots.mark(read, 7) == Mark(JUNE, own=True, sequence=7)
    assert entry_lots.lot_refs(entry_lots.encode(note)) == []


def test_an_award_without_a_note_has_no_date() -> None:
    assert entry_lots.note_parts(()) is None
    assert entry_lots.mark(None, 7) == Mark(NEVER, own=False, sequence=7)


def test_points_of_one_day_are_one_row() -> None:
    parts = (Part(JANUARY, False, 30), Part(JANUARY, True, 20), Part(NEVER, False, 5))
    note = entry_lots.note_parts(parts)
    assert note is not None
    read = entry_lots.decode(entry_lots.encode(note))
    refs = entry_lots.lot_refs(entry_lots.encode(note))
    assert refs == [LotRef(50, "2027-01-31"), LotRef(5, None)]
    assert tuple(read.parts) == parts


def test_what_was_covered_is_not_covered_again() -> None:
    expirations = [
        entry_lots.note_parts((Part(JANUARY, False, 100), Part(JANUARY, True, 40))),
        entry_lots.note_parts((Part(JUNE, False, 10),)),
        entry_lots.note_parts((Part(JANUARY, False, 5),)),
    ]
    clawbacks = [entry_lots.note_parts((), covered=((JANUARY, 60), (JUNE, 10)))]
    assert entry_lots.uncovered(filter(None, expirations), filter(None, clawbacks)) == {JANUARY: 85}
