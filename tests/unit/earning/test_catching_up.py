"""When what became due was due, and in which order it is posted."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from libs.contracts.lifecycle import Expiry
from services.earning.domain.account_cycles import AccountCycle
from services.earning.domain.catching_up import Change, Reminder, advance, just_before
from services.earning.domain.cycles import Cycle, Wait
from services.earning.domain.dates import to_day
from services.earning.domain.expiry import Epoch
from services.earning.domain.lots import Lots
from services.earning.domain.timelines import Timeline
from tests.unit.earning.lifecycle_account import START_OF_2027, Account, zone

DAYS = Expiry(kind="after", days=10)
FIRST = to_day(date(2027, 1, 1))


def test_an_expiration_bears_the_end_of_its_day_however_late_it_is_posted() -> None:
    account = Account(now=START_OF_2027, zone_name="Europe/Berlin")
    account.set_expiry(DAYS)
    account.earn("A", 100)
    account.next_day(90)
    account.touch()
    assert account.rows[-1].type == "expire"
    assert account.rows[-1].occurred_at == datetime(2027, 1, 11, 23, tzinfo=UTC)


def test_a_day_that_a_new_zone_ends_earlier_ends_with_the_change() -> None:
    account = Account(now=START_OF_2027)
    account.set_expiry(DAYS)
    account.earn("A", 100)
    changed_at = datetime(2027, 1, 11, 18, tzinfo=UTC)
    account.go_to(changed_at)
    account.touch()
    account.set_zone("Asia/Tokyo")
    account.next_day()
    account.touch()
    assert account.rows[-1].occurred_at == changed_at


def test_an_own_date_that_passed_without_a_program_expires_when_one_is_active() -> None:
    account = Account(now=START_OF_2027)
    account.earn("A", 100, last_day=to_day(date(2027, 1, 5)), own=True)
    account.set_active(is_active=False)
    account.next_day(20)
    account.touch()
    assert account.balance == 100
    active_at = account.now
    account.set_active(is_active=True)
    account.next_day(20)
    account.touch()
    assert (account.balance, account.rows[-1].occurred_at) == (0, active_at)


def test_changes_are_in_the_order_of_their_instants_and_an_expiration_comes_first() -> None:
    day = to_day(date(2027, 1, 5))
    epochs = (
        Epoch(
            at=START_OF_2027,
            since=to_day(date(2027, 1, 1)),
            zone=zone("UTC"),
            expiry=DAYS,
            remind_days=(3,),
        ),
    )
    cycle = Cycle(
        lots=Lots([day * 2, (day + 4) * 2, (day + 6) * 2], [10, 20, 30]),
        reminded_on=to_day(date(2027, 1, 2)),
    )
    end = datetime(2027, 1, 31, tzinfo=UTC)
    changes = advance(cycle, epochs, to=end, now=end, sequence=3, every_reminder=True)
    assert [(type(change) is Reminder, change.at.day, change.points) for change in changes] == [
        (False, 6, 10),
        (True, 6, 20),
        (True, 8, 30),
        (False, 10, 20),
        (False, 12, 30),
    ]


def test_many_lapses_leave_one_move() -> None:
    account = Account(now=START_OF_2027)
    account.set_expiry(Expiry(kind="inactivity", days=1))
    for number in range(20):
        account.earn(f"A{number}", 10)
        account.next_day(5)
    account.touch()
    assert account.balance == 0
    assert account.cycle is not None
    assert len(account.cycle.moves) == 1


def test_a_suspended_account_waits_for_nothing_but_give_ups() -> None:
    account = Account(now=START_OF_2027)
    account.set_expiry(DAYS)
    account.earn("A", 100)
    account.suspend()
    assert account.cycle is not None
    account.cycle.add_wait(to_day(date(2027, 1, 3)), gives_up=False)
    assert account.cycle.due_at(account.epoch) is None
    account.cycle.add_wait(to_day(date(2027, 1, 9)), gives_up=True)
    assert account.cycle.due_at(account.epoch) == datetime(2027, 1, 10, tzinfo=UTC)


def test_a_release_comes_before_what_is_due_at_the_same_instant() -> None:
    account = Account(now=START_OF_2027)
    account.set_expiry(DAYS)
    account.set_remind_days(4)
    account.earn("A", 100)
    cycle, epoch = account.cycle, account.epoch
    assert cycle is not None
    released_at = datetime(2027, 1, 7, tzinfo=UTC)

    def advanced(to: datetime) -> list[Change]:
        return advance(cycle, account.epochs, to=to, now=released_at, sequence=account.sequence)

    assert not advanced(just_before(released_at))
    cycle.credit(50, to_day(date(2027, 1, 11)), own=False, debt=0, epoch=epoch)
    (reminder,) = advanced(released_at)
    assert (reminder.at, reminder.points) == (released_at, 150)


def test_an_account_that_was_suspended_without_a_program_loses_nothing() -> None:
    account = Account(now=START_OF_2027)
    account.earn("A", 100, last_day=to_day(date(2027, 1, 5)), own=True)
    account.set_active(is_active=False)
    account.next_day(10)
    account.suspend()
    account.next_day(10)
    account.set_active(is_active=True)
    account.next_day(10)
    account.reinstate()
    account.touch()
    assert account.balance == 100
    assert account.show()[1] == {account.today + 30: 100}


@pytest.mark.parametrize(
    ("fields", "is_up_to_date"),
    [
        pytest.param({}, True, id="no points"),
        pytest.param({"lots": Lots([(FIRST + 1) * 2], [10])}, True, id="a date of tomorrow"),
        pytest.param({"lots": Lots([FIRST * 2], [10])}, False, id="a date of today"),
        pytest.param({"lots": Lots([FIRST * 2 + 1], [10])}, False, id="an own date of today"),
        pytest.param({"waits": [Wait(FIRST + 1, False, 1)]}, True, id="a wait until tomorrow"),
        pytest.param({"waits": [Wait(FIRST, False, 1)]}, False, id="a wait until today"),
        pytest.param({"reminded_on": FIRST - 1}, False, id="not reminded today"),
        pytest.param({"epoch": 0}, False, id="an earlier epoch"),
    ],
)
def test_a_look_at_days_shows_of_most_accounts_that_nothing_is_due(
    fields: dict[str, Any], is_up_to_date: bool
) -> None:
    epoch = Epoch(at=START_OF_2027, since=FIRST, zone=zone("UTC"), expiry=DAYS, remind_days=(3,))
    epochs = (msgspec.structs.replace(epoch, remind_days=()), epoch)
    cycle = Cycle(**{"epoch": 1, "reminded_on": FIRST} | fields)
    state = AccountCycle(cycle, Timeline(epochs, START_OF_2027))
    assert state.is_up_to_date == is_up_to_date
