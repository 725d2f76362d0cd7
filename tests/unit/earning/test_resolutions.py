"""Resolutions of anomalies in the fold: awards voided once, accounts suspended once."""

from decimal import Decimal
from typing import Any

import pytest

from libs.kernel.errors import NotFound
from services.earning.domain.account_status import StatusChangeRecord
from services.earning.domain.accounts import Entry
from services.earning.domain.order_records import Order, OrderRecord
from services.earning.domain.postings import Duplicate
from services.earning.domain.refunds import Refund
from services.earning.domain.resolutions import AwardRecord, Resolution, ResolutionRecord
from tests.unit.earning.builders import NOON, STORE, Ledger, award, books, order


def resolution(anomaly: str, *entries: Entry, **changes: Any) -> Resolution:
    defaults: dict[str, Any] = {
        "store_id": STORE,
        "customer_id": "cust_1",
        "anomaly_id": anomaly,
        "action": "voided",
        "transaction_ids": tuple(f"txn_{entry.id}" for entry in entries),
        "reason": "Voided: 15 point transactions in 2 minutes",
        "note": None,
        "resolved_by": "risk desk",
        "occurred_at": NOON,
    }
    return Resolution(**(defaults | changes))


def ledger_of(*awards: int | Order) -> Ledger:
    """A batch with these awards, manual or of orders, known in the form in which a batch reads them."""
    ledger = books()
    for number, one in enumerate(awards):
        ledger.post(award(one) if isinstance(one, int) else one)
        entry = ledger.entries[-1]
        key = None if isinstance(one, int) else one.key
        known = AwardRecord(
            transaction_id=f"txn_{entry.id}",
            account_id=1,
            sequence=number + 1,
            points=entry.points,
            order=key,
        )
        ledger.add_loaded([known])
    return ledger


def void(ledger: Ledger, posting: Resolution) -> Entry | None:
    outcome = ledger.post(posting)
    assert isinstance(outcome, ResolutionRecord)
    return outcome.entry


def test_one_entry_voids_all_awards() -> None:
    ledger = ledger_of(100, order("1042"), 7)
    entry = void(ledger, resolution("anom_1", ledger.entries[0], ledger.entries[1]))
    assert entry is not None
    assert (entry.type, entry.points, entry.balance_after, entry.lifetime_after) == (
        *("void", -600, 7, 7),
    )


def test_a_redelivered_resolution_voids_once() -> None:
    ledger = ledger_of(100)
    posting = resolution("anom_1", ledger.entries[0])
    void(ledger, posting)
    assert isinstance(ledger.post(posting), Duplicate)
    assert len(ledger.entries) == 2


def test_an_award_shared_by_anomalies_is_voided_once() -> None:
    ledger = ledger_of(100, order("1042"), 7)
    first, second, third = ledger.entries
    void(ledger, resolution("anom_1", first, second))
    entry = void(ledger, resolution("anom_2", first, second, third))
    assert entry is not None
    assert entry.points == -7
    assert void(ledger, resolution("anom_3", first, second, third)) is None


def test_an_award_named_twice_is_voided_once() -> None:
    ledger = ledger_of(100)
    entry = void(ledger, resolution("anom_1", *ledger.entries * 2))
    assert entry is not None
    assert entry.points == -100


def refund(amount: str | None) -> Refund:
    return Refund(
        store_id=STORE,
        customer_id="cust_1",
        order_id="1042",
        refund_id=f"r {amount}",
        amount=None if amount is None else Decimal(amount),
        occurred_at=NOON,
    )


def test_refunded_points_are_not_voided_and_voided_points_are_not_refunded() -> None:
    ledger = ledger_of(order("1042"))
    earned = ledger.entries[0]
    ledger.post(refund("20.00"))
    entry = void(ledger, resolution("anom_1", earned))
    assert entry is not None
    assert entry.points == -300
    outcome = ledger.post(refund(None))
    assert not isinstance(outcome, OrderRecord)
    assert [one.points for one in ledger.entries] == [500, -200, -300]
    record = ledger.recorded(OrderRecord, (STORE, "1042"))
    assert (record.refunded_points, record.voided_points, record.remainder) == (200, 300, 0)


def test_a_void_may_take_the_balance_below_zero_but_never_the_lifetime() -> None:
    ledger = ledger_of(100)
    account = ledger.account(STORE, "cust_1")
    account.balance, account.lifetime = 20, 50
    entry = void(ledger, resolution("anom_1", ledger.entries[0]))
    assert entry is not None
    assert (entry.balance_after, entry.lifetime_after) == (-80, 0)


def test_awards_of_other_customers_and_unknown_awards_are_ignored() -> None:
    ledger = ledger_of(100)
    ledger.recorded(AwardRecord, f"txn_{ledger.entries[0].id}").account_id = 2
    posting = resolution("anom_1", ledger.entries[0], transaction_ids=("txn_x", "txn_y"))
    assert void(ledger, posting) is None
    assert void(ledger, resolution("anom_2", ledger.entries[0])) is None


def test_a_redelivered_resolution_suspends_once() -> None:
    ledger = ledger_of(100)
    posting = resolution("anom_1", action="suspended", note="a farm")
    assert void(ledger, posting) is None
    account = ledger.account(STORE, "cust_1")
    assert account.suspended
    (record,) = ledger.changed(StatusChangeRecord).values()
    assert (record.change.note, record.change.changed_by) == ("a farm", "risk desk")
    account.suspended = False
    assert isinstance(ledger.post(posting), Duplicate)
    assert not account.suspended


def test_a_resolution_for_an_unknown_customer_is_refused() -> None:
    with pytest.raises(NotFound):
        ledger_of().post(resolution("anom_1"))
