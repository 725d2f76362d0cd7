"""The times of a store whose clock was moved, and of a system whose clocks cannot be."""

from datetime import timedelta

import pytest

from libs.kernel.clock import utc_now
from libs.kernel.errors import NotFound
from libs.kernel.ids import shifted_id, time_of, uuid7_text
from libs.persistence.engine import create_engine
from services.earning.domain.programs import StorePrograms
from services.earning.handlers.clock import StoreClocks
from tests.unit.earning.builders import NOON, STORE, award, books
from tests.unit.earning.test_programs import program

SHIFT = timedelta(days=400, milliseconds=1)


def test_entries_have_the_time_of_the_stores_clock() -> None:
    ledger = books()
    ledger.post(award(1))
    ledger.use_programs({STORE: StorePrograms((program(),), SHIFT)})
    before = utc_now()
    ledger.post(award(1))
    ledger.post(award(1))
    first, second, third = ledger.entries
    assert [entry.occurred_at for entry in ledger.entries] == [NOON, NOON + SHIFT, NOON + SHIFT]
    assert time_of(first.id) <= utc_now()
    assert before + SHIFT <= time_of(second.id) <= utc_now() + SHIFT
    assert first.id < second.id < third.id


def test_shifted_ids_keep_their_order_and_everything_but_their_time() -> None:
    ids = [uuid7_text() for _ in range(1_000)]
    shifted = [shifted_id(id_, SHIFT) for id_ in ids]
    assert shifted == sorted(set(shifted))
    for id_, moved in zip(ids, shifted, strict=True):
        assert time_of(moved) == time_of(id_) + SHIFT
        assert moved[14:] == id_[14:]


async def test_clocks_that_cannot_be_moved_show_the_real_time_without_a_query() -> None:
    """The database that the engine names does not exist."""
    engine = create_engine("postgresql://nobody@127.0.0.1:1/none", name="none")
    clocks = StoreClocks(engine, movable=False)
    before = utc_now()
    assert before <= await clocks.now(STORE) <= clocks.latest <= utc_now()
    with pytest.raises(NotFound):
        clocks.require_movable()
    movable = StoreClocks(engine, movable=True)
    movable.require_movable()
    assert movable.latest > utc_now() + timedelta(days=19 * 365)
