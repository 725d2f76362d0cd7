"""Refunds: the points they claw back, and the orders they wait for."""

from decimal import Decimal

import pytest

from libs.kernel.errors import Conflict
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_records import OrderRecord
from services.earning.domain.postings import Duplicate
from services.earning.domain.refunds import Refund, RefundRecord
from tests.unit.earning.builders import NOON, STORE, Ledger, award, books, order
from tests.unit.earning.test_programs import program
from tests.unit.earning.test_rule_tables import table


def refund(
    refund_id: str, amount: str | None = None, *, customer_id: str = "cust_1", order_id: str = "o1"
) -> Refund:
    return Refund(
        store_id=STORE,
        customer_id=customer_id,
        order_id=order_id,
        refund_id=refund_id,
        amount=None if amount is None else Decimal(amount),
        occurred_at=NOON,
    )


def clawed_back(ledger: LedgerBatch) -> list[int]:
    return [-entry.points for entry in ledger.entries if entry.type == "refund"]


def order_that_earned(total: str, points: str) -> Ledger:
    """A batch with one order of `total` that earned `points`."""
    rate = Decimal(points) / Decimal(total) if int(points) else Decimal("0.1")
    ledger = books(
        program(rate=str(rate.quantize(Decimal("0.000001"), rounding="ROUND_UP")), tiers=())
    )
    ledger.post(order("o1", total))
    assert sum(entry.points for entry in ledger.entries) == int(points)
    return ledger


@pytest.mark.parametrize(
    ("case", "placed", "refunds", "outcomes", "last"), table("refund.md", first_heading="case")
)
def test_a_refund_claws_back_what_the_documentation_says(
    case: str, placed: str, refunds: str, outcomes: str, last: str
) -> None:
    total, _, points = placed.split()
    ledger = order_that_earned(total, points)
    seen: list[str] = []
    verdict = ""
    for number, amount in enumerate(refunds.split()):
        try:
            record = ledger.post(refund(f"r{number}", None if amount == "all" else amount))
        except Conflict:
            seen.append("-")
            verdict = "conflict"
        else:
            assert isinstance(record, RefundRecord)
            seen.append(str(record.points))
            verdict = record.state
    assert (" ".join(seen), verdict) == (outcomes, last)


def test_rounding_of_the_parts_is_not_shown_as_refunded() -> None:
    ledger = order_that_earned("100.00", "1000")
    for number in range(3):
        ledger.post(refund(f"r{number}", "33.34"))
    assert ledger.recorded(OrderRecord, (STORE, "o1")).refunded == Decimal("100.00")
    assert ledger.changed(RefundRecord)[STORE, "o1", "r2"].amount == Decimal("33.34")


def test_the_refusal_of_an_excessive_refund_shows_money_with_two_decimals() -> None:
    ledger = order_that_earned("179.25", "1792")
    ledger.recorded(OrderRecord, (STORE, "o1")).total = Decimal("179.250000")
    with pytest.raises(Conflict) as refused:
        ledger.post(refund("r1", "180"))
    assert refused.value.detail == ("The refund of 180.00 exceeds the 179.25 left of order o1.")


def test_a_refund_lowers_the_lifetime_and_the_tier_falls() -> None:
    ledger = books()
    ledger.post(award(4_900))
    ledger.post(order("o1", "50.00"))
    ledger.post(refund("r1"))
    entry = ledger.entries[-1]
    assert (entry.lifetime_after, *ledger.tiers_of(entry)) == (
        4_900,
        "Silver",
        "Bronze",
    )


def test_a_refund_may_take_the_balance_below_zero_but_not_the_lifetime() -> None:
    ledger = books()
    ledger.post(order("o1", "50.00"))
    account = ledger.accounts_to_write[STORE, "cust_1"]
    account.balance, account.lifetime = 100, 100
    ledger.post(refund("r1"))
    assert (account.balance, account.lifetime) == (-400, 0)


def test_a_refund_that_overtakes_its_order_counts_right_after_it() -> None:
    ledger = books()
    waiting = ledger.post(refund("r1", "25.00"))
    assert isinstance(waiting, RefundRecord)
    assert waiting.state == "waiting"
    assert not ledger.accounts_to_write[STORE, "cust_1"].exists
    ledger.post(order("o1"))
    assert [entry.points for entry in ledger.entries] == [500, -250]
    assert ledger.changed(RefundRecord)[STORE, "o1", "r1"].state == "counted"


def test_refunds_that_wait_count_in_the_order_of_their_arrival() -> None:
    ledger = books()
    ledger.post(refund("r1", "30.00"))
    ledger.post(refund("r2", "30.00"))
    late = ledger.changed(RefundRecord)[STORE, "o1", "r2"]
    ledger.post(order("o1"))
    assert clawed_back(ledger) == [300]
    assert late.state == "conflict"
    assert late.detail == "The refund of 30.00 exceeds the 20.00 left of order o1."


def test_a_refund_of_a_held_order_waits_until_it_counts() -> None:
    ledger = books()
    ledger.post(award(1))
    ledger.accounts_to_write[STORE, "cust_1"].suspended = True
    ledger.post(order("o1"))
    record = ledger.post(refund("r1"))
    assert isinstance(record, RefundRecord)
    assert record.state == "waiting"


def test_a_refund_of_a_suspended_account_counts() -> None:
    ledger = books()
    ledger.post(order("o1"))
    ledger.accounts_to_write[STORE, "cust_1"].suspended = True
    ledger.post(refund("r1"))
    assert clawed_back(ledger) == [500]


def test_a_redelivered_refund_counts_once() -> None:
    ledger = books()
    ledger.post(order("o1"))
    ledger.post(refund("r1", "25.00"))
    assert isinstance(ledger.post(refund("r1", "25")), Duplicate)
    assert clawed_back(ledger) == [250]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(refund("r1", "25.01"), id="amount"),
        pytest.param(refund("r1"), id="no amount"),
        pytest.param(refund("r1", "25.00", customer_id="cust_2"), id="customer"),
    ],
)
def test_the_same_refund_id_with_other_contents_is_a_conflict(other: Refund) -> None:
    ledger = books()
    ledger.post(order("o1"))
    ledger.post(refund("r1", "25.00"))
    with pytest.raises(Conflict):
        ledger.post(other)


def test_a_refund_of_another_customers_order_is_a_conflict() -> None:
    ledger = books()
    ledger.post(order("o1"))
    with pytest.raises(Conflict):
        ledger.post(refund("r1", customer_id="cust_2"))


def test_a_waiting_refund_whose_order_is_another_customers_becomes_a_conflict() -> None:
    ledger = books()
    waiting = ledger.post(refund("r1", customer_id="cust_2"))
    ledger.post(order("o1"))
    assert isinstance(waiting, RefundRecord)
    assert (waiting.state, clawed_back(ledger)) == ("conflict", [])
