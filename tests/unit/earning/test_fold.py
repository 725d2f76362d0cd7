"""The fold: what postings do to accounts."""

from datetime import timedelta

import pytest

from libs.kernel.errors import AccountSuspended, Conflict, InvalidRequest, ProgramInactive
from services.earning.domain.accounts import ManualEntry
from services.earning.domain.order_records import OrderRecord
from services.earning.domain.postings import Duplicate
from tests.unit.earning.builders import NOON, STORE, award, books, order
from tests.unit.earning.test_programs import program


def test_an_order_earns_at_the_rate_of_the_tier_held_before_it() -> None:
    ledger = books()
    ledger.post(award(15_000))
    ledger.post(order("1042", "50.00"))
    entry = ledger.entries[-1]
    assert (entry.points, entry.balance_after, entry.lifetime_after) == (1_000, 16_000, 16_000)
    assert entry.tier == "Gold"


def test_an_order_that_reaches_a_tier_is_priced_by_the_tier_before() -> None:
    ledger = books()
    ledger.post(award(4_999))
    ledger.post(order("1", "50.00"))
    ledger.post(order("2", "50.00"))
    assert [entry.points for entry in ledger.entries] == [4_999, 500, 750]


def test_entries_of_an_account_are_numbered_from_one_without_a_gap() -> None:
    ledger = books()
    for number in range(5):
        ledger.post(order(str(number)))
    assert [entry.sequence for entry in ledger.entries] == [1, 2, 3, 4, 5]


def test_a_redelivered_order_counts_once() -> None:
    ledger = books()
    ledger.post(order("1042"))
    assert isinstance(ledger.post(order("1042")), Duplicate)
    assert len(ledger.entries) == 1


def test_an_order_with_its_total_written_differently_is_the_same_order() -> None:
    ledger = books()
    ledger.post(order("1042", "50.00"))
    assert isinstance(ledger.post(order("1042", "50")), Duplicate)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(order("1042", customer_id="cust_2"), id="customer"),
        pytest.param(order("1042", "50.01"), id="total"),
        pytest.param(order("1042", currency="EUR"), id="currency"),
        pytest.param(order("1042", program_id="loy_x"), id="program"),
    ],
)
def test_the_same_order_id_with_other_contents_is_a_conflict(other: object) -> None:
    ledger = books()
    ledger.post(order("1042"))
    with pytest.raises(Conflict):
        ledger.post(other)  # type: ignore[arg-type]
    assert len(ledger.entries) == 1


def test_a_conflict_creates_no_customer() -> None:
    ledger = books()
    ledger.post(order("1042"))
    with pytest.raises(Conflict):
        ledger.post(order("1042", customer_id="cust_2"))
    assert set(ledger.accounts_to_write) == {(STORE, "cust_1")}


def test_an_order_without_points_is_recorded_without_an_entry() -> None:
    ledger = books()
    record = ledger.post(order("1042", "0.00"))
    assert isinstance(record, OrderRecord)
    assert (record.state, record.award, ledger.entries) == ("counted", 0, [])
    assert (STORE, "cust_1") in ledger.accounts_to_write


def test_a_skipped_order_counts_when_it_is_redelivered_and_a_program_is_active() -> None:
    ledger = books(program(is_active=False))
    skipped = ledger.post(order("1042"))
    assert isinstance(skipped, OrderRecord)
    assert (skipped.state, skipped.skip_reason) == ("skipped", "program_inactive")
    later = books()
    later.add_loaded(ledger.changed(OrderRecord).values())
    later.post(order("1042", "60.00"))
    assert [entry.points for entry in later.entries] == [600]


def test_an_order_of_a_suspended_account_is_held() -> None:
    ledger = books()
    ledger.post(order("1"))
    ledger.accounts_to_write[STORE, "cust_1"].suspended = True
    record = ledger.post(order("2"))
    assert isinstance(record, OrderRecord)
    assert record.state == "held"
    assert isinstance(ledger.post(order("2")), Duplicate)
    assert len(ledger.entries) == 1


def test_an_award_of_a_suspended_account_is_refused() -> None:
    ledger = books()
    ledger.post(order("1"))
    ledger.accounts_to_write[STORE, "cust_1"].suspended = True
    with pytest.raises(AccountSuspended):
        ledger.post(award(500))


def test_an_award_without_an_active_program_is_refused_and_creates_no_customer() -> None:
    ledger = books(program(is_active=False))
    with pytest.raises(ProgramInactive):
        ledger.post(award(500))
    assert not ledger.accounts_to_write


def test_an_order_worth_more_points_than_an_award_may_have_is_invalid() -> None:
    ledger = books(program(rate="1000000"))
    with pytest.raises(InvalidRequest):
        ledger.post(order("1", "1000000.01"))
    assert not ledger.accounts_to_write


def test_a_balance_never_exceeds_its_limit() -> None:
    ledger = books()
    ledger.post(award(1))
    ledger.accounts_to_write[STORE, "cust_1"].balance = 9 * 10**15
    with pytest.raises(Conflict):
        ledger.post(award(1))


def test_a_customer_is_a_member_since_the_earliest_event() -> None:
    ledger = books()
    ledger.post(order("1"))
    ledger.post(order("2", occurred_at=NOON - timedelta(days=9)))
    ledger.post(order("3", occurred_at=NOON + timedelta(days=9)))
    assert ledger.accounts_to_write[STORE, "cust_1"].member_since == NOON - timedelta(days=9)


def test_an_entry_shows_the_tiers_before_and_after_it() -> None:
    ledger = books()
    entries = [ledger.post(award(points)) for points in (1, 5_000, 1)]
    changes = [
        ledger.tiers_of(posted.entry) for posted in entries if isinstance(posted, ManualEntry)
    ]
    assert changes == [(None, "Bronze"), ("Bronze", "Silver"), ("Silver", "Silver")]
