"""Cycles: their bytes, and the accounts that have none yet."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from libs.contracts.lifecycle import Expiry
from services.earning.domain import cycles
from services.earning.domain.cycles import Cycle, Wait
from services.earning.domain.dates import EARLIEST, NEVER
from services.earning.domain.expiry import Epoch, wake_at
from services.earning.domain.lots import Lots, Part
from services.earning.domain.moves import Move
from tests.unit.earning.lifecycle_account import START_OF_2027, zone


def test_the_bytes_of_a_cycle_are_compact_and_stay_readable() -> None:
    year = Cycle(epoch=1, lots=Lots([(20_834 + n) * 2 for n in range(366)], [100] * 366))
    assert len(cycles.encode(year)) < 1_500
    written = bytes.fromhex(
        "01 9c 01 92 91cda2c4 91cd01f4 cd012c 91 93cd516bc203 c0 cd5141 c0 c0 c0 c2"
        "91 97 05 c3 cd5141 cd515f cd517d c2 c2 91 d7 ff 29b92700 6b3ce248"
    )
    assert cycles.decode(written) == Cycle(
        epoch=1,
        lots=Lots([41_668], [500]),
        pending=300,
        waits=[Wait(20_843, gives_up=False, orders=3)],
        reminded_on=20_801,
        moves=(Move(sequence=5, own=True, first=20_801, until=20_831, floor=20_861),),
        releases=[datetime(2027, 1, 5, 12, 30, 0, 175_000, tzinfo=UTC)],
    )
    assert cycles.encode(cycles.decode(written)) == written


def test_a_field_that_was_appended_later_has_its_default() -> None:
    oldest = b"\x01" + msgspec.msgpack.encode([1, [[], []]])
    assert cycles.decode(oldest) == Cycle(epoch=1)


def test_another_version_is_not_guessed() -> None:
    with pytest.raises(cycles.UnknownVersion, match="version 2"):
        cycles.decode(b"\x02" + cycles.encode(Cycle())[1:])


def epoch(**fields: Any) -> Epoch:
    values: dict[str, Any] = {"at": START_OF_2027, "since": 20_819, "zone": zone("UTC")}
    return Epoch(**values | fields)


def test_a_new_account_starts_with_the_setting_in_force() -> None:
    epochs = (epoch(), epoch(expiry=Expiry(kind="inactivity", days=30)))
    new = cycles.start(epochs, balance=0, sequence=0, is_suspended=True)
    assert (new.epoch, new.lots, new.unset_on, new.suspended_on) == (1, Lots(), None, EARLIEST)


def test_an_account_from_before_the_first_setting_has_one_lot_without_a_date() -> None:
    epochs = (epoch(), epoch(expiry=Expiry(kind="after", days=30)))
    assert list(cycles.start(epochs, balance=70, sequence=9, is_suspended=False).lots) == [
        Part(NEVER, own=False, points=70)
    ]
    assert not list(cycles.start(epochs, balance=-5, sequence=9, is_suspended=False).lots)


@pytest.mark.parametrize(
    ("previous", "following", "days_later"),
    [
        pytest.param({}, {"expiry": Expiry(kind="after", days=30)}, 31, id="a first setting"),
        pytest.param(
            {},
            {"expiry": Expiry(kind="after", days=30), "remind_days": (40, 7)},
            1,
            id="with a reminder",
        ),
        pytest.param({}, {"remind_days": (7,)}, 1, id="reminders"),
        pytest.param({"remind_days": (7, 1)}, {"remind_days": (7,)}, None, id="fewer reminders"),
        pytest.param({}, {"zone": zone("Asia/Tokyo")}, 0, id="another zone"),
        pytest.param({"is_active": False}, {}, 0, id="an active program"),
        pytest.param({}, {"is_active": False}, None, id="no active program"),
        pytest.param(
            {"expiry": Expiry(kind="after", days=30)},
            {"expiry": Expiry(kind="after", days=5)},
            None,
            id="another period",
        ),
    ],
)
def test_the_sweeper_visits_a_store_when_a_change_can_make_something_due(
    previous: dict[str, Any], following: dict[str, Any], days_later: int | None
) -> None:
    before, after = epoch(**previous), epoch(**following)
    visit = wake_at(before, after)
    assert (None if visit is None else (visit - START_OF_2027).days) == days_later
